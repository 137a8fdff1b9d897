"""Give sums of money more digits

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SUMS = ("positions_value", "external_flow", "costs")


def upgrade() -> None:
    for name in SUMS:
        op.alter_column(
            "portfolio_values",
            name,
            existing_type=sa.Numeric(precision=18, scale=2),
            type_=sa.Numeric(precision=38, scale=2),
            existing_nullable=False,
        )


def downgrade() -> None:
    for name in SUMS:
        op.alter_column(
            "portfolio_values",
            name,
            existing_type=sa.Numeric(precision=38, scale=2),
            type_=sa.Numeric(precision=18, scale=2),
            existing_nullable=False,
        )
