"""Give orders a life and purchases their lots

Revision ID: 0004
Revises: 0003
"""

from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.dialects import postgresql

from alembic import op
from app.quant import lots
from app.quant.lots import Lot, LotMethod

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ENTRY_RULE = (
    "(CASE kind"
    " WHEN 'deposit' THEN amount > 0 AND etf_id IS NULL"
    " WHEN 'withdrawal' THEN amount < 0 AND etf_id IS NULL"
    " WHEN 'buy' THEN amount <= 0 AND quantity > 0 AND price > 0"
    " AND reference_price > 0 AND price_date IS NOT NULL AND fill_number > 0"
    " AND order_id IS NOT NULL AND etf_id IS NOT NULL"
    " WHEN 'sell' THEN quantity > 0 AND price > 0"
    " AND reference_price > 0 AND price_date IS NOT NULL AND fill_number > 0"
    " AND order_id IS NOT NULL AND etf_id IS NOT NULL AND closed_lots IS NOT NULL"
    " WHEN 'split' THEN etf_id IS NOT NULL AND quantity > '-Infinity'"
    " WHEN 'dividend' THEN etf_id IS NOT NULL"
    " WHEN 'interest' THEN amount <> 0 AND etf_id IS NULL"
    " WHEN 'fee' THEN amount < 0"
    " WHEN 'tax' THEN amount <> 0"
    " WHEN 'closure' THEN etf_id IS NOT NULL AND amount >= 0 AND quantity > 0"
    " AND price >= 0 AND closed_lots IS NOT NULL"
    " WHEN 'ticker_change' THEN etf_id IS NOT NULL AND amount = 0"
    " ELSE false END) IS TRUE"
)
ACTION_RULES = {
    "kind_has_its_columns": (
        "(CASE kind WHEN 'split' THEN value > 0 WHEN 'dividend' THEN value >= 0"
        " WHEN 'closure' THEN value IS NULL OR value >= 0"
        " WHEN 'ticker_change' THEN value IS NULL AND ticker IS NOT NULL ELSE false END) IS TRUE"
    ),
    "value_is_finite": "value < 'Infinity'",
    "paid_after_ex_date": "pay_date >= ex_date",
}
OLD_ENTRY_RULE = (
    "(CASE kind"
    " WHEN 'deposit' THEN amount > 0 AND etf_id IS NULL"
    " WHEN 'withdrawal' THEN amount < 0 AND etf_id IS NULL"
    " WHEN 'buy' THEN amount <= 0 AND quantity > 0 AND price > 0"
    " AND reference_price > 0 AND price_date IS NOT NULL"
    " WHEN 'sell' THEN quantity > 0 AND price > 0"
    " AND reference_price > 0 AND price_date IS NOT NULL"
    " WHEN 'split' THEN amount >= 0 AND quantity > '-Infinity'"
    " WHEN 'dividend' THEN amount >= 0"
    " ELSE false END) IS TRUE"
)
OLD_ACTION_RULES = {
    "kind_is_known": "kind IN ('split', 'dividend')",
    "value_is_positive": "value > 0 AND value < 'Infinity'",
}


def upgrade() -> None:
    _create_tables()
    _extend_actions()
    _extend_ledger()
    _give_trades_their_orders()
    _open_lots()
    _restrict_ledger()
    _add_zero("portfolios", "marked_sequence")
    op.add_column(
        "portfolio_values",
        sa.Column("closing_flow", sa.Numeric(38, 2), nullable=False, server_default="0"),
    )
    op.create_check_constraint(
        op.f("ck_portfolio_values_closing_flow_is_a_number"),
        "portfolio_values",
        "closing_flow <> 'NaN'",
    )


def _create_tables() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("portfolio_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("etf_id", sa.Integer(), nullable=True),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("trigger", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('stop', 'drawdown', 'action')", name=op.f("ck_alerts_kind_is_known")
        ),
        sa.ForeignKeyConstraint(["etf_id"], ["etfs.id"], name=op.f("fk_alerts_etf_id_etfs")),
        sa.ForeignKeyConstraint(
            ["portfolio_id"], ["portfolios.id"], name=op.f("fk_alerts_portfolio_id_portfolios")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("portfolio_id", "trigger", name=op.f("uq_alerts_portfolio_id_trigger")),
    )
    op.create_index(
        op.f("ix_alerts_portfolio_id_id"), "alerts", ["portfolio_id", "id"], unique=False
    )
    op.create_table(
        "portfolio_checks",
        sa.Column("portfolio_id", sa.Integer(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("at_risk", sa.Integer(), nullable=False),
        sa.Column("breached", sa.Integer(), nullable=False),
        sa.Column("max_drift", sa.Double(), nullable=True),
        sa.Column("turnover", sa.Double(), nullable=True),
        sa.Column("exposure", sa.Double(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("data_version", sa.Uuid(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["portfolio_id"],
            ["portfolios.id"],
            name=op.f("fk_portfolio_checks_portfolio_id_portfolios"),
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "session", name=op.f("pk_portfolio_checks")),
    )
    op.create_table(
        "tax_lots",
        sa.Column("portfolio_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("etf_id", sa.Integer(), nullable=False),
        sa.Column("acquired_on", sa.Date(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("cost", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.CheckConstraint(
            "cost >= 0 AND cost < 'Infinity'", name=op.f("ck_tax_lots_cost_is_not_negative")
        ),
        sa.CheckConstraint(
            "quantity > 0 AND quantity < 'Infinity'", name=op.f("ck_tax_lots_quantity_is_positive")
        ),
        sa.ForeignKeyConstraint(["etf_id"], ["etfs.id"], name=op.f("fk_tax_lots_etf_id_etfs")),
        sa.ForeignKeyConstraint(
            ["portfolio_id"], ["portfolios.id"], name=op.f("fk_tax_lots_portfolio_id_portfolios")
        ),
        sa.PrimaryKeyConstraint("portfolio_id", "number", name=op.f("pk_tax_lots")),
    )
    op.create_index(
        op.f("ix_tax_lots_portfolio_id_etf_id"),
        "tax_lots",
        ["portfolio_id", "etf_id"],
        unique=False,
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("portfolio_id", sa.Integer(), nullable=False),
        sa.Column("etf_id", sa.Integer(), nullable=False),
        sa.Column("side", sa.String(length=32), nullable=False),
        sa.Column("order_type", sa.String(length=32), nullable=False),
        sa.Column("time_in_force", sa.String(length=32), nullable=False),
        sa.Column("fill_at", sa.String(length=32), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("filled_quantity", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("limit_price", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("stop_price", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("triggered_on", sa.Date(), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("reason_code", sa.String(length=32), nullable=False),
        sa.Column("origin", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "lots", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("rebalance_event_id", sa.Integer(), nullable=True),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(limit_price IS NOT NULL) = (order_type IN ('limit', 'stop_limit')) AND (limit_price IS NULL OR (limit_price > 0 AND limit_price < 'Infinity'))",
            name=op.f("ck_orders_limit_has_its_price"),
        ),
        sa.CheckConstraint(
            "(state = 'filled') = (filled_quantity = quantity)",
            name=op.f("ck_orders_filled_is_all_of_it"),
        ),
        sa.CheckConstraint(
            "(stop_price IS NOT NULL) = (order_type IN ('stop', 'stop_limit')) AND (stop_price IS NULL OR (stop_price > 0 AND stop_price < 'Infinity'))",
            name=op.f("ck_orders_stop_has_its_price"),
        ),
        sa.CheckConstraint(
            "fill_at IN ('close', 'next_open')", name=op.f("ck_orders_fill_at_is_known")
        ),
        sa.CheckConstraint(
            "order_type IN ('market', 'limit', 'stop', 'stop_limit')",
            name=op.f("ck_orders_order_type_is_known"),
        ),
        sa.CheckConstraint(
            "origin IN ('user', 'rebalance', 'stop', 'liquidation', 'reinvestment')",
            name=op.f("ck_orders_origin_is_known"),
        ),
        sa.CheckConstraint(
            "quantity > 0 AND quantity < 'Infinity'", name=op.f("ck_orders_quantity_is_positive")
        ),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_orders_side_is_known")),
        sa.CheckConstraint(
            "state IN ('new', 'accepted', 'partially_filled', 'filled', 'cancelled', 'rejected', 'expired')",
            name=op.f("ck_orders_state_is_known"),
        ),
        sa.CheckConstraint(
            "time_in_force IN ('day', 'gtc')", name=op.f("ck_orders_time_in_force_is_known")
        ),
        sa.CheckConstraint(
            "filled_quantity >= 0 AND filled_quantity <= quantity",
            name=op.f("ck_orders_fills_within_quantity"),
        ),
        sa.ForeignKeyConstraint(["etf_id"], ["etfs.id"], name=op.f("fk_orders_etf_id_etfs")),
        sa.ForeignKeyConstraint(
            ["portfolio_id"], ["portfolios.id"], name=op.f("fk_orders_portfolio_id_portfolios")
        ),
        sa.ForeignKeyConstraint(
            ["rebalance_event_id"],
            ["rebalance_events.id"],
            name=op.f("fk_orders_rebalance_event_id_rebalance_events"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    op.create_index(
        "ix_orders_open",
        "orders",
        ["portfolio_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('new', 'accepted', 'partially_filled')"),
    )
    op.create_index(
        op.f("ix_orders_portfolio_id_created_at"),
        "orders",
        ["portfolio_id", "created_at"],
        unique=False,
    )
    op.create_index(
        "ix_orders_stops",
        "orders",
        ["portfolio_id"],
        unique=False,
        postgresql_where=sa.text("origin = 'stop'"),
    )
    op.create_index(
        "uq_orders_open_stop",
        "orders",
        ["portfolio_id", "etf_id"],
        unique=True,
        postgresql_where=sa.text(
            "origin = 'stop' AND state IN ('new', 'accepted', 'partially_filled')"
        ),
    )
    op.create_table(
        "order_events",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("reason_code", sa.String(length=32), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("price", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.CheckConstraint(
            "state IN ('new', 'accepted', 'partially_filled', 'filled', 'cancelled', 'rejected', 'expired')",
            name=op.f("ck_order_events_state_is_known"),
        ),
        sa.CheckConstraint("number > 0", name=op.f("ck_order_events_number_is_positive")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_order_events_order_id_orders")
        ),
        sa.PrimaryKeyConstraint("order_id", "number", name=op.f("pk_order_events")),
    )


def _extend_actions() -> None:
    op.add_column("corporate_actions", sa.Column("pay_date", sa.Date(), nullable=True))
    op.add_column("corporate_actions", sa.Column("ticker", sa.String(length=32), nullable=True))
    _add_words("corporate_actions", "source", "prices")
    op.alter_column("corporate_actions", "value", existing_type=sa.Numeric(18, 6), nullable=True)
    for name in ("kind_is_known", "value_is_positive"):
        op.drop_constraint(op.f(f"ck_corporate_actions_{name}"), "corporate_actions")
    for name, rule in ACTION_RULES.items():
        op.create_check_constraint(op.f(f"ck_corporate_actions_{name}"), "corporate_actions", rule)


def _extend_ledger() -> None:
    for column in (
        sa.Column("fill_number", sa.Integer(), nullable=True),
        sa.Column(
            "closed_lots",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            nullable=True,
        ),
        sa.Column("action_value", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("after_close", sa.Boolean(), nullable=False, server_default=sa.false()),
    ):
        op.add_column("ledger_entries", column)
    _add_words("ledger_entries", "source", "user")
    op.drop_constraint(op.f("uq_ledger_entries_order_id"), "ledger_entries")
    op.drop_constraint(op.f("uq_ledger_entries_portfolio_id_action_id"), "ledger_entries")
    op.drop_constraint(op.f("ck_ledger_entries_kind_has_its_columns"), "ledger_entries")
    op.drop_constraint(op.f("ck_ledger_entries_trade_names_its_etf"), "ledger_entries")


def _give_trades_their_orders() -> None:
    """Every trade so far was one order, filled whole and at once."""
    op.execute("ALTER TABLE ledger_entries DISABLE TRIGGER USER")
    op.execute("""
        UPDATE ledger_entries SET source = 'paper', fill_number = 1,
            order_id = coalesce(order_id, gen_random_uuid())
        WHERE kind IN ('buy', 'sell')
        """)
    op.execute("""
        UPDATE ledger_entries SET source = 'prices', revision = 1, action_value = action.value
        FROM corporate_actions AS action WHERE action.id = action_id
        """)
    op.execute("""
        INSERT INTO orders (
            id, portfolio_id, etf_id, side, order_type, time_in_force, fill_at, quantity,
            filled_quantity, state, reason_code, origin, reason, idempotency_key,
            rebalance_event_id, session, created_at, updated_at)
        SELECT order_id, portfolio_id, etf_id, kind, 'market', 'day', 'close', quantity, quantity,
            'filled', 'filled',
            CASE WHEN reason LIKE 'Stop: %' THEN 'stop'
                 WHEN rebalance_event_id IS NOT NULL THEN 'rebalance'
                 WHEN reason = 'The portfolio is closed' THEN 'liquidation' ELSE 'user' END,
            reason, idempotency_key, rebalance_event_id, session, booked_at, booked_at
        FROM ledger_entries WHERE kind IN ('buy', 'sell')
        """)
    op.execute("""
        INSERT INTO order_events (
            order_id, number, state, reason_code, session, at, quantity, price)
        SELECT order_id, step.number, step.state, step.reason_code, session, booked_at,
            CASE WHEN step.number = 3 THEN quantity END, CASE WHEN step.number = 3 THEN price END
        FROM ledger_entries, (VALUES
            (1, 'new', 'received'), (2, 'accepted', 'accepted'), (3, 'filled', 'filled')
        ) AS step (number, state, reason_code)
        WHERE kind IN ('buy', 'sell')
        """)


def _open_lots() -> None:
    """Lots were not chosen so far: the oldest were closed first."""
    bind = op.get_bind()
    entries = bind.execute(sa.text("""
            SELECT id, portfolio_id, sequence, kind, etf_id, quantity, price, amount, session
            FROM ledger_entries WHERE kind IN ('buy', 'sell', 'split')
            ORDER BY portfolio_id, sequence
            """)).all()
    held: dict[tuple[int, int], tuple[Lot, ...]] = {}
    for entry in entries:
        key = entry.portfolio_id, entry.etf_id
        held[key], closed = _after(held.get(key, ()), entry)
        if closed is not None:
            bind.execute(
                sa.text("UPDATE ledger_entries SET closed_lots = :lots WHERE id = :id").bindparams(
                    sa.bindparam("lots", type_=postgresql.JSONB)
                ),
                {"id": entry.id, "lots": closed},
            )
    for (portfolio_id, etf_id), left in held.items():
        for lot in left:
            bind.execute(
                sa.text("""
                    INSERT INTO tax_lots
                        (portfolio_id, number, etf_id, acquired_on, quantity, cost)
                    VALUES (:portfolio_id, :number, :etf_id, :acquired_on, :quantity, :cost)
                    """),
                {
                    "portfolio_id": portfolio_id,
                    "number": lot.number,
                    "etf_id": etf_id,
                    "acquired_on": lot.acquired_on,
                    "quantity": lot.quantity,
                    "cost": lot.cost,
                },
            )


def _after(held: tuple[Lot, ...], entry: Any) -> tuple[tuple[Lot, ...], list[Any] | None]:
    if entry.kind == "buy":
        return (*held, Lot(entry.sequence, entry.session, entry.quantity, -entry.amount)), None
    if entry.kind == "sell":
        return _closed(held, entry.quantity)
    paid_out = entry.amount / entry.price if entry.price else Decimal(0)
    fraction = paid_out.quantize(Decimal("0.000001"))
    held = lots.split(held, entry.quantity + fraction, ex_date=entry.session)
    return _closed(held, fraction) if fraction else (held, None)


def _closed(held: tuple[Lot, ...], quantity: Decimal) -> tuple[tuple[Lot, ...], list[Any]]:
    left, closed = lots.close(held, lots.choose(held, quantity, LotMethod.FIFO))
    return left, [
        {
            "number": lot.number,
            "acquired_on": lot.acquired_on.isoformat(),
            "quantity": str(lot.quantity),
            "cost": str(lot.cost),
        }
        for lot in closed
    ]


def _restrict_ledger() -> None:
    op.execute("ALTER TABLE ledger_entries ENABLE TRIGGER USER")
    op.create_unique_constraint(
        op.f("uq_ledger_entries_order_id_fill_number"),
        "ledger_entries",
        ["order_id", "fill_number"],
    )
    op.create_unique_constraint(
        op.f("uq_ledger_entries_portfolio_id_action_id_kind_revision"),
        "ledger_entries",
        ["portfolio_id", "action_id", "kind", "revision"],
    )
    op.create_foreign_key(
        op.f("fk_ledger_entries_order_id_orders"),
        "ledger_entries",
        "orders",
        ["order_id"],
        ["id"],
    )
    op.create_check_constraint(
        op.f("ck_ledger_entries_kind_has_its_columns"), "ledger_entries", ENTRY_RULE
    )
    op.execute("""
        CREATE TRIGGER order_events_append_only_rows BEFORE UPDATE OR DELETE ON order_events
        FOR EACH ROW EXECUTE FUNCTION refuse_change()
        """)
    op.execute("""
        CREATE TRIGGER order_events_append_only_truncate BEFORE TRUNCATE ON order_events
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """)


def _add_words(table: str, column: str, value: str) -> None:
    op.add_column(table, sa.Column(column, sa.Text(), nullable=False, server_default=value))
    op.alter_column(table, column, server_default=None)


def _add_zero(table: str, column: str) -> None:
    op.add_column(table, sa.Column(column, sa.Integer(), nullable=False, server_default="0"))
    op.alter_column(table, column, server_default=None)


def downgrade() -> None:
    """Back to a ledger without orders; refuses where it has what that one cannot say."""
    _refuse_to_forget()
    op.drop_column("portfolios", "marked_sequence")
    op.drop_column("portfolio_values", "closing_flow")
    op.execute("DROP TRIGGER order_events_append_only_rows ON order_events")
    op.execute("DROP TRIGGER order_events_append_only_truncate ON order_events")
    for name in (
        "ck_ledger_entries_kind_has_its_columns",
        "fk_ledger_entries_order_id_orders",
        "uq_ledger_entries_portfolio_id_action_id_kind_revision",
        "uq_ledger_entries_order_id_fill_number",
    ):
        op.drop_constraint(op.f(name), "ledger_entries")
    op.create_unique_constraint(
        op.f("uq_ledger_entries_portfolio_id_action_id"),
        "ledger_entries",
        ["portfolio_id", "action_id"],
    )
    op.create_unique_constraint(op.f("uq_ledger_entries_order_id"), "ledger_entries", ["order_id"])
    op.create_check_constraint(
        op.f("ck_ledger_entries_kind_has_its_columns"), "ledger_entries", OLD_ENTRY_RULE
    )
    op.create_check_constraint(
        op.f("ck_ledger_entries_trade_names_its_etf"),
        "ledger_entries",
        "(kind IN ('deposit', 'withdrawal')) OR etf_id IS NOT NULL",
    )
    for name in (
        "after_close",
        "revision",
        "action_value",
        "closed_lots",
        "fill_number",
        "source",
    ):
        op.drop_column("ledger_entries", name)
    for name in ACTION_RULES:
        op.drop_constraint(op.f(f"ck_corporate_actions_{name}"), "corporate_actions")
    for name, rule in OLD_ACTION_RULES.items():
        op.create_check_constraint(op.f(f"ck_corporate_actions_{name}"), "corporate_actions", rule)
    op.alter_column("corporate_actions", "value", existing_type=sa.Numeric(18, 6), nullable=False)
    for name in ("source", "ticker", "pay_date"):
        op.drop_column("corporate_actions", name)
    for table in ("order_events", "orders", "tax_lots", "portfolio_checks", "alerts"):
        op.drop_table(table)


def _refuse_to_forget() -> None:
    found = op.get_bind().execute(sa.text("""
            SELECT EXISTS (SELECT FROM ledger_entries
                           WHERE kind NOT IN ('deposit', 'withdrawal', 'buy', 'sell', 'split',
                                              'dividend') OR fill_number > 1 OR revision > 1)
                OR EXISTS (SELECT FROM corporate_actions WHERE kind NOT IN ('split', 'dividend'))
                OR EXISTS (SELECT FROM orders WHERE state <> 'filled')
            """))
    if found.scalar_one() or not _closed_oldest_first():
        raise CommandError(
            "The book has orders or entries that the older version cannot keep: "
            "restore a dump made before the upgrade instead."
        )


def _closed_oldest_first() -> bool:
    """Whether an upgrade would find the same lots again."""
    entries = op.get_bind().execute(sa.text("""
            SELECT portfolio_id, sequence, kind, etf_id, quantity, price, amount, session,
                closed_lots
            FROM ledger_entries WHERE kind IN ('buy', 'sell', 'split')
            ORDER BY portfolio_id, sequence
            """))
    held: dict[tuple[int, int], tuple[Lot, ...]] = {}
    for entry in entries:
        key = entry.portfolio_id, entry.etf_id
        held[key], closed = _after(held.get(key, ()), entry)
        if closed != entry.closed_lots:
            return False
    return True
