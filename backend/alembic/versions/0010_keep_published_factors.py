"""Keep published factors

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "published_factors",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.CheckConstraint(
            "value > -1 AND value < 1", name=op.f("ck_published_factors_value_is_a_fraction")
        ),
        sa.PrimaryKeyConstraint("name", "session", name=op.f("pk_published_factors")),
    )


def downgrade() -> None:
    op.drop_table("published_factors")
