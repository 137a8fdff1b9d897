"""Keep backtests

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backtests",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("market", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=True),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("sweep_id", sa.Integer(), nullable=True),
        sa.Column("member", sa.Integer(), nullable=True),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("settings_hash", sa.LargeBinary(), nullable=False),
        sa.Column("data_version", sa.Uuid(), nullable=False),
        sa.Column("code_version", sa.String(length=64), nullable=False),
        sa.Column("first_session", sa.Date(), nullable=False),
        sa.Column("last_session", sa.Date(), nullable=False),
        sa.Column("returns", sa.LargeBinary(), nullable=False),
        sa.Column("headline", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "report", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("details", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("source IN ('run', 'sweep')", name=op.f("ck_backtests_source")),
        sa.CheckConstraint(
            "(source = 'sweep') = (sweep_id IS NOT NULL)", name=op.f("ck_backtests_of_a_sweep")
        ),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_reason IS NULL)",
            name=op.f("ck_backtests_withdrawn"),
        ),
        sa.CheckConstraint("last_session > first_session", name=op.f("ck_backtests_sessions")),
        sa.ForeignKeyConstraint(
            ["market"], ["markets.code"], name=op.f("fk_backtests_market_markets")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name=op.f("fk_backtests_owner_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backtests")),
    )
    op.create_index(
        "uq_backtests_sweep_settings", "backtests", ["sweep_id", "settings_hash"], unique=True
    )
    op.create_index(
        "uq_backtests_run",
        "backtests",
        ["owner_id", "settings_hash", "data_version", "code_version"],
        unique=True,
        postgresql_where="source = 'run'",
    )
    op.create_index(
        op.f("ix_backtests_owner_id_market_data_version"),
        "backtests",
        ["owner_id", "market", "data_version"],
    )
    _keep_for_ever()


def downgrade() -> None:
    op.drop_table("backtests")
    op.execute("DROP FUNCTION refuse_all_but_withdrawal()")


def _keep_for_ever() -> None:
    """A row may be withdrawn once; nothing else of it changes, and it is never deleted."""
    op.execute("""
        CREATE FUNCTION refuse_all_but_withdrawal() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            before jsonb := to_jsonb(OLD) - 'withdrawn_at' - 'withdrawn_reason';
            after jsonb := to_jsonb(NEW) - 'withdrawn_at' - 'withdrawn_reason';
        BEGIN
            IF before <> after OR OLD.withdrawn_at IS NOT NULL THEN
                RAISE EXCEPTION 'a backtest is never changed: withdraw it'
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END $$
        """)
    op.execute(
        "CREATE TRIGGER backtests_only_withdrawn BEFORE UPDATE ON backtests"
        " FOR EACH ROW EXECUTE FUNCTION refuse_all_but_withdrawal()"
    )
    for name, event, each in (("rows", "DELETE", "ROW"), ("truncate", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER backtests_kept_{name} BEFORE {event} ON backtests"
            f" FOR EACH {each} EXECUTE FUNCTION refuse_change()"
        )
