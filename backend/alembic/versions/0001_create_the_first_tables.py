"""Create the first tables

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "etf_prices",
        sa.Column("etf_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("open", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("close", sa.Double(), nullable=False),
        sa.Column("volume", sa.Double(), nullable=False),
        sa.CheckConstraint(
            "close > 0 AND close < 'Infinity'", name=op.f("ck_etf_prices_close_is_positive")
        ),
        sa.CheckConstraint(
            "low > 0 AND low <= high AND high < 'Infinity'",
            name=op.f("ck_etf_prices_range_is_ordered"),
        ),
        sa.CheckConstraint(
            "open > 0 AND open < 'Infinity'", name=op.f("ck_etf_prices_open_is_positive")
        ),
        sa.CheckConstraint(
            "volume >= 0 AND volume < 'Infinity'", name=op.f("ck_etf_prices_volume_is_not_negative")
        ),
        sa.PrimaryKeyConstraint("etf_id", "session", name=op.f("pk_etf_prices")),
    )
    op.create_table(
        "markets",
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("calendar", sa.String(length=32), nullable=False),
        sa.Column("currency", sa.String(length=32), nullable=False),
        sa.Column("volatility_index", sa.String(length=32), nullable=False),
        sa.Column("benchmark", sa.String(length=32), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("adjusted_only", sa.Boolean(), nullable=False),
        sa.Column("data_version", sa.Uuid(), nullable=True),
        sa.Column("first_session", sa.Date(), nullable=True),
        sa.Column("latest_session", sa.Date(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_markets")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "data_imports",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("market", sa.String(length=32), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("series", sa.String(length=32), nullable=False),
        sa.Column("rows_read", sa.Integer(), nullable=False),
        sa.Column("rows_added", sa.Integer(), nullable=False),
        sa.Column("rows_changed", sa.Integer(), nullable=False),
        sa.Column("rows_unchanged", sa.Integer(), nullable=False),
        sa.Column("rows_quarantined", sa.Integer(), nullable=False),
        sa.Column("first_session", sa.Date(), nullable=True),
        sa.Column("latest_session", sa.Date(), nullable=True),
        sa.Column("data_version", sa.Uuid(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["market"], ["markets.code"], name=op.f("fk_data_imports_market_markets")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_imports")),
    )
    op.create_index(op.f("ix_data_imports_market"), "data_imports", ["market"], unique=False)
    op.create_table(
        "etfs",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("market", sa.String(length=32), nullable=False),
        sa.Column("ticker", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("asset_class", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("expense_ratio", sa.Double(), nullable=True),
        sa.Column("leverage", sa.Double(), nullable=True),
        sa.Column("is_leveraged", sa.Boolean(), nullable=True),
        sa.Column("is_inverse", sa.Boolean(), nullable=True),
        sa.Column("inception_date", sa.Date(), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("benchmark", sa.String(length=32), nullable=True),
        sa.CheckConstraint(
            "expense_ratio >= 0 AND expense_ratio < 'Infinity'",
            name=op.f("ck_etfs_expense_ratio_is_a_fraction"),
        ),
        sa.ForeignKeyConstraint(["market"], ["markets.code"], name=op.f("fk_etfs_market_markets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_etfs")),
        sa.UniqueConstraint("market", "ticker", name=op.f("uq_etfs_market_ticker")),
    )
    op.create_table(
        "factor_scores",
        sa.Column("market", sa.String(length=32), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("etf_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("momentum", sa.Double(), nullable=True),
        sa.Column("quality", sa.Double(), nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("volatility", sa.Double(), nullable=True),
        sa.Column("composite", sa.Double(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("exclusion", sa.String(length=32), nullable=True),
        sa.Column("formula_version", sa.String(length=32), nullable=False),
        sa.Column("data_version", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "(exclusion IS NULL) = (composite IS NOT NULL) AND (rank IS NULL) = (composite IS NULL)",
            name=op.f("ck_factor_scores_scored_or_excluded"),
        ),
        sa.ForeignKeyConstraint(
            ["market"], ["markets.code"], name=op.f("fk_factor_scores_market_markets")
        ),
        sa.PrimaryKeyConstraint("market", "session", "etf_id", name=op.f("pk_factor_scores")),
    )
    op.create_index(
        op.f("ix_factor_scores_etf_id_session"),
        "factor_scores",
        ["etf_id", "session"],
        unique=False,
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_idempotency_keys_owner_id_users")
        ),
        sa.PrimaryKeyConstraint("owner_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "index_prices",
        sa.Column("market", sa.String(length=32), nullable=False),
        sa.Column("symbol", sa.String(length=32), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("close", sa.Double(), nullable=False),
        sa.CheckConstraint(
            "close > 0 AND close < 'Infinity'", name=op.f("ck_index_prices_close_is_positive")
        ),
        sa.ForeignKeyConstraint(
            ["market"], ["markets.code"], name=op.f("fk_index_prices_market_markets")
        ),
        sa.PrimaryKeyConstraint("market", "symbol", "session", name=op.f("pk_index_prices")),
    )
    op.create_table(
        "portfolios",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("market", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("initial_capital", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("cash", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("last_sequence", sa.Integer(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("replayed_until", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "cash >= 0 AND cash < 'Infinity'", name=op.f("ck_portfolios_cash_is_not_negative")
        ),
        sa.CheckConstraint(
            "initial_capital > 0 AND initial_capital < 'Infinity'",
            name=op.f("ck_portfolios_has_capital"),
        ),
        sa.CheckConstraint(
            "status IN ('active', 'closed')", name=op.f("ck_portfolios_status_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["market"], ["markets.code"], name=op.f("fk_portfolios_market_markets")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_portfolios_owner_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portfolios")),
    )
    op.create_index(
        "uq_portfolios_open_name",
        "portfolios",
        ["owner_id", sa.literal_column("lower(name)")],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_table(
        "corporate_actions",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("etf_id", sa.Integer(), nullable=False),
        sa.Column("ex_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.CheckConstraint(
            "kind IN ('split', 'dividend')", name=op.f("ck_corporate_actions_kind_is_known")
        ),
        sa.CheckConstraint(
            "value > 0 AND value < 'Infinity'", name=op.f("ck_corporate_actions_value_is_positive")
        ),
        sa.ForeignKeyConstraint(
            ["etf_id"], ["etfs.id"], name=op.f("fk_corporate_actions_etf_id_etfs")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corporate_actions")),
        sa.UniqueConstraint(
            "etf_id", "ex_date", "kind", name=op.f("uq_corporate_actions_etf_id_ex_date_kind")
        ),
    )
    op.create_table(
        "portfolio_values",
        sa.Column("portfolio_id", sa.Integer(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("cash", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("positions_value", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("external_flow", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("costs", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("carried", sa.Boolean(), nullable=False),
        sa.Column("data_version", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "cash >= 0 AND cash < 'Infinity'", name=op.f("ck_portfolio_values_cash_is_not_negative")
        ),
        sa.CheckConstraint(
            "external_flow <> 'NaN'", name=op.f("ck_portfolio_values_external_flow_is_a_number")
        ),
        sa.CheckConstraint(
            "positions_value >= 0 AND positions_value < 'Infinity'",
            name=op.f("ck_portfolio_values_positions_value_is_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["portfolio_id"],
            ["portfolios.id"],
            name=op.f("fk_portfolio_values_portfolio_id_portfolios"),
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", name=op.f("pk_portfolio_values")),
    )
    op.create_table(
        "positions",
        sa.Column("portfolio_id", sa.Integer(), nullable=False),
        sa.Column("etf_id", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("cost_basis", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "cost_basis >= 0 AND cost_basis < 'Infinity'",
            name=op.f("ck_positions_cost_basis_is_not_negative"),
        ),
        sa.CheckConstraint(
            "quantity > 0 AND quantity < 'Infinity'", name=op.f("ck_positions_quantity_is_positive")
        ),
        sa.ForeignKeyConstraint(["etf_id"], ["etfs.id"], name=op.f("fk_positions_etf_id_etfs")),
        sa.ForeignKeyConstraint(
            ["portfolio_id"], ["portfolios.id"], name=op.f("fk_positions_portfolio_id_portfolios")
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "etf_id", name=op.f("pk_positions")),
    )
    op.create_table(
        "quarantined_bars",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("market", sa.String(length=32), nullable=False),
        sa.Column("ticker", sa.String(length=32), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("copy", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("open", sa.Double(), nullable=True),
        sa.Column("high", sa.Double(), nullable=True),
        sa.Column("low", sa.Double(), nullable=True),
        sa.Column("close", sa.Double(), nullable=True),
        sa.Column("volume", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["data_imports.id"],
            name=op.f("fk_quarantined_bars_import_id_data_imports"),
        ),
        sa.ForeignKeyConstraint(
            ["market"], ["markets.code"], name=op.f("fk_quarantined_bars_market_markets")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantined_bars")),
        sa.UniqueConstraint(
            "market",
            "ticker",
            "session",
            "copy",
            "reason",
            name=op.f("uq_quarantined_bars_market_ticker_session_copy_reason"),
        ),
    )
    op.create_index(
        op.f("ix_quarantined_bars_import_id"), "quarantined_bars", ["import_id"], unique=False
    )
    op.create_table(
        "rebalance_events",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("portfolio_id", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("decided_at_sequence", sa.Integer(), nullable=False),
        sa.Column("proposal", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("targets", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("data_version", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("executed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('proposed', 'executed')", name=op.f("ck_rebalance_events_status_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["portfolio_id"],
            ["portfolios.id"],
            name=op.f("fk_rebalance_events_portfolio_id_portfolios"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rebalance_events")),
    )
    op.create_index(
        op.f("ix_rebalance_events_portfolio_id_id"),
        "rebalance_events",
        ["portfolio_id", "id"],
        unique=False,
    )
    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("portfolio_id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("etf_id", sa.Integer(), nullable=True),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("reference_price", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("price", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("price_date", sa.Date(), nullable=True),
        sa.Column("fee", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("rebalance_event_id", sa.Integer(), nullable=True),
        sa.Column("action_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(kind IN ('deposit', 'withdrawal')) OR etf_id IS NOT NULL",
            name=op.f("ck_ledger_entries_trade_names_its_etf"),
        ),
        sa.CheckConstraint(
            "(CASE kind WHEN 'deposit' THEN amount > 0 AND etf_id IS NULL WHEN 'withdrawal' THEN amount < 0 AND etf_id IS NULL WHEN 'buy' THEN amount <= 0 AND quantity > 0 AND price > 0 AND reference_price > 0 AND price_date IS NOT NULL WHEN 'sell' THEN quantity > 0 AND price > 0 AND reference_price > 0 AND price_date IS NOT NULL WHEN 'split' THEN amount >= 0 AND quantity > '-Infinity' WHEN 'dividend' THEN amount >= 0 ELSE false END) IS TRUE",
            name=op.f("ck_ledger_entries_kind_has_its_columns"),
        ),
        sa.CheckConstraint(
            "amount > '-Infinity' AND amount < 'Infinity'",
            name=op.f("ck_ledger_entries_amount_is_finite"),
        ),
        sa.CheckConstraint(
            "fee >= 0 AND fee < 'Infinity'", name=op.f("ck_ledger_entries_fee_is_not_negative")
        ),
        sa.CheckConstraint(
            "quantity < 'Infinity' AND price < 'Infinity'",
            name=op.f("ck_ledger_entries_numbers_are_finite"),
        ),
        sa.CheckConstraint("sequence > 0", name=op.f("ck_ledger_entries_sequence_is_positive")),
        sa.ForeignKeyConstraint(
            ["action_id"],
            ["corporate_actions.id"],
            name=op.f("fk_ledger_entries_action_id_corporate_actions"),
        ),
        sa.ForeignKeyConstraint(
            ["etf_id"], ["etfs.id"], name=op.f("fk_ledger_entries_etf_id_etfs")
        ),
        sa.ForeignKeyConstraint(
            ["portfolio_id"],
            ["portfolios.id"],
            name=op.f("fk_ledger_entries_portfolio_id_portfolios"),
        ),
        sa.ForeignKeyConstraint(
            ["rebalance_event_id"],
            ["rebalance_events.id"],
            name=op.f("fk_ledger_entries_rebalance_event_id_rebalance_events"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entries")),
        sa.UniqueConstraint("order_id", name=op.f("uq_ledger_entries_order_id")),
        sa.UniqueConstraint(
            "portfolio_id", "action_id", name=op.f("uq_ledger_entries_portfolio_id_action_id")
        ),
        sa.UniqueConstraint(
            "portfolio_id", "sequence", name=op.f("uq_ledger_entries_portfolio_id_sequence")
        ),
    )
    op.create_index(
        op.f("ix_ledger_entries_portfolio_id_etf_id"),
        "ledger_entries",
        ["portfolio_id", "etf_id"],
        unique=False,
    )
    _make_append_only("ledger_entries")
    _add_first_rows()


def downgrade() -> None:
    _refuse_to_erase_a_book()
    op.drop_index(op.f("ix_ledger_entries_portfolio_id_etf_id"), table_name="ledger_entries")
    op.drop_table("ledger_entries")
    op.drop_index(op.f("ix_rebalance_events_portfolio_id_id"), table_name="rebalance_events")
    op.drop_table("rebalance_events")
    op.drop_index(op.f("ix_quarantined_bars_import_id"), table_name="quarantined_bars")
    op.drop_table("quarantined_bars")
    op.drop_table("positions")
    op.drop_table("portfolio_values")
    op.drop_table("corporate_actions")
    op.drop_index(
        "uq_portfolios_open_name",
        table_name="portfolios",
        postgresql_where=sa.text("status = 'active'"),
    )
    op.drop_table("portfolios")
    op.drop_table("index_prices")
    op.drop_table("idempotency_keys")
    op.drop_index(op.f("ix_factor_scores_etf_id_session"), table_name="factor_scores")
    op.drop_table("factor_scores")
    op.drop_table("etfs")
    op.drop_index(op.f("ix_data_imports_market"), table_name="data_imports")
    op.drop_table("data_imports")
    op.drop_table("users")
    op.drop_table("markets")
    op.drop_table("etf_prices")
    op.execute("DROP FUNCTION refuse_change()")


def _make_append_only(table: str) -> None:
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'rows of % are never changed or deleted: book a correction',
                TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END $$
        """)
    for name, events, each in (
        ("rows", "UPDATE OR DELETE", "ROW"),
        ("truncate", "TRUNCATE", "STATEMENT"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_append_only_{name} BEFORE {events} ON {table}"
            f" FOR EACH {each} EXECUTE FUNCTION refuse_change()"
        )


def _add_first_rows() -> None:
    """The two markets, still without data, and the one local user."""
    op.execute("""
        INSERT INTO markets (code, name, calendar, currency, volatility_index, benchmark,
                             simulated, adjusted_only)
        VALUES ('us', 'US-listed ETFs', 'XNYS', 'USD', 'VIX', 'SPY', false, true),
               ('demo', 'Simulated market', 'XNYS', 'USD', 'VIX', 'ZXMKA', true, false)
        """)
    op.execute("INSERT INTO users (name, created_at) VALUES ('local', now())")


def _refuse_to_erase_a_book() -> None:
    entries = op.get_bind().scalar(sa.text("SELECT count(*) FROM ledger_entries"))
    if entries:
        raise CommandError(
            f"going below the first migration would erase {entries} ledger entries: keep them with"
            " 'etftrader db dump', then drop the database yourself"
        )
