"""Brokers: a port and its adapters."""

from app.brokers.paper import PaperBroker
from app.brokers.port import Broker, BrokerOrder, Rejected

__all__ = ["Broker", "BrokerOrder", "PaperBroker", "Rejected"]
