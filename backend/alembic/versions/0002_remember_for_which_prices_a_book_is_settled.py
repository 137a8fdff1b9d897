"""Remember for which prices a book is settled

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("portfolios", sa.Column("settled_version", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("portfolios", "settled_version")
