"""Keep answers for ever, and the rules of proposals

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLE = "idempotency_keys"


def upgrade() -> None:
    op.add_column("rebalance_events", sa.Column("rules_hash", sa.LargeBinary(), nullable=True))
    for name, events, each in (
        ("rows", "UPDATE OR DELETE", "ROW"),
        ("truncate", "TRUNCATE", "STATEMENT"),
    ):
        op.execute(
            f"CREATE TRIGGER {TABLE}_append_only_{name} BEFORE {events} ON {TABLE}"
            f" FOR EACH {each} EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.drop_column("rebalance_events", "rules_hash")
    for name in ("rows", "truncate"):
        op.execute(f"DROP TRIGGER {TABLE}_append_only_{name} ON {TABLE}")
