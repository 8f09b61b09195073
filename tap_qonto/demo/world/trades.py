"""What everyday money moves for, and movements that a document tells of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from tap_qonto.demo.world.rows import Row


class Trade(NamedTuple):
    """A kind of everyday movement and its usual counterparty."""

    label: str
    name: str
    operation: str
    subject: str
    category: str
    cash_flow: tuple[str, str]
    vat: int | None
    """VAT in tenths of a percent."""
    low: int
    high: int
    weight: int
    receipt: int = 0
    """Share of rows with a receipt, in percent."""
    currency: str = "EUR"
    rate: int = 1_000
    """Units of `currency` for a thousand euros."""

    @property
    def credit(self) -> bool:
        """Whether money comes in."""
        return self.subject in _INCOMING


_INCOMING = frozenset(
    ("Income", "SwiftIncome", "Check", "DirectDebitCollection", "FinancingIncome", "Recall")
)


# One euro of income meets a little more than one of expense: whenever an account runs low, an
# expense becomes an income instead, so that balances stay plausible at every size.
TRADES: Final = (
    Trade("VIR CLIENT REGLEMENT", "Client divers", "income", "Income", "sales",
          ("Sales", "Services"), 200, 8_000, 240_000, 90),
    Trade("STRIPE PAYOUT", "Stripe", "income", "Income", "sales",
          ("Sales", "Online shop"), 200, 3_000, 90_000, 70),
    Trade("NORTHWIND DESIGN INC", "Northwind Design", "swift_income", "SwiftIncome", "sales",
          ("Sales", "Export"), 0, 90_000, 700_000, 8, 40, "USD", 1_083),
    Trade("REMISE CHEQUE", "Remise de chèque", "cheque", "Check", "sales",
          ("Sales", "Services"), 200, 5_000, 80_000, 14),
    Trade("LOYER ET CHARGES BUREAUX", "Foncière des Tisserands", "direct_debit", "DirectDebit",
          "office_rental", ("Premises", "Rent"), 200, 180_000, 260_000, 14, 60),
    Trade("EDF PRO", "Électricité Bleue", "direct_debit", "DirectDebit", "utility",
          ("Premises", "Energy"), 200, 6_000, 42_000, 26, 70),
    Trade("TELECOM PRO FIBRE", "Fibrelia", "direct_debit", "DirectDebit", "utility",
          ("Premises", "Telecom"), 200, 2_990, 8_990, 26, 80),
    Trade("URSSAF", "URSSAF", "direct_debit", "DirectDebit", "tax",
          ("Taxes", "Social contributions"), None, 40_000, 420_000, 26),
    Trade("DGFIP TVA", "DGFIP", "direct_debit", "DirectDebit", "tax",
          ("Taxes", "VAT"), None, 60_000, 600_000, 14),
    Trade("ASSURANCE MULTIRISQUE", "Prévoya Assurances", "direct_debit", "DirectDebit",
          "insurance", ("Insurance", "Liability"), 0, 4_000, 36_000, 16, 30),
    Trade("CLOUD HOSTING", "Nuage Hosting", "card", "Card", "online_service",
          ("Software", "Hosting"), 200, 900, 48_000, 64, 75, "USD", 1_083),
    Trade("DESIGN SUITE LTD", "Design Suite", "card", "Card", "online_service",
          ("Software", "Subscriptions"), 200, 1_200, 12_000, 44, 60, "GBP", 856),
    Trade("SNCF CONNECT", "Rail Connect", "card", "Card", "transport",
          ("Travel", "Train"), 100, 1_500, 24_000, 72, 65),
    Trade("TAXI PARISIEN", "Taxis Réunis", "card", "Card", "transport",
          ("Travel", "Taxi"), 100, 900, 6_500, 56, 55),
    Trade("HOTEL DU PORT", "Hôtel du Port", "card", "Card", "hotel_and_lodging",
          ("Travel", "Hotel"), 100, 7_000, 38_000, 32, 70),
    Trade("HOTEL ZUERICH AG", "Hotel Limmatblick", "card", "Card", "hotel_and_lodging",
          ("Travel", "Hotel"), None, 12_000, 42_000, 10, 70, "CHF", 951),
    Trade("RESTAURANT LE COMPTOIR", "Le Comptoir", "card", "Card", "restaurant_and_bar",
          ("Meals", "Restaurant"), 100, 1_100, 14_000, 128, 72),
    Trade("BOULANGERIE MERCIER", "Boulangerie Mercier", "card", "Card", "restaurant_and_bar",
          ("Meals", "Bakery"), 55, 280, 3_400, 112, 45),
    Trade("EPICERIE DU CANAL", "Épicerie du Canal", "card", "Card", "food_and_grocery",
          ("Meals", "Groceries"), 55, 900, 16_000, 52, 50),
    Trade("PAPETERIE CENTRALE", "Papeterie Centrale", "card", "Card", "office_supply",
          ("Equipment", "Supplies"), 200, 600, 26_000, 64, 70),
    Trade("INFORMATIQUE EXPRESS", "Informatique Express", "card", "Card", "hardware_and_equipment",
          ("Equipment", "Computers"), 200, 9_000, 190_000, 24, 88),
    Trade("STATION SERVICE", "Station du Rhône", "card", "Card", "gas_station",
          ("Travel", "Fuel"), 200, 3_000, 11_000, 48, 60),
    Trade("LA POSTE PRO", "Courrier Pro", "card", "Card", "logistics",
          ("Equipment", "Postage"), 200, 400, 9_000, 44, 55),
    Trade("RETRAIT DAB", "Retrait d'espèces", "card", "Card", "atm",
          ("Other", "Cash"), None, 2_000, 20_000, 12),
    Trade("CAMPAGNE PUBLICITAIRE", "Regie Visible", "card", "Card", "marketing",
          ("Marketing", "Online ads"), 200, 2_000, 90_000, 36, 66),
    Trade("QONTO ABONNEMENT", "Qonto", "qonto_fee", "BillingTransfer", "fees",
          ("Bank", "Fees"), 200, 100, 4_500, 30, 100),
    Trade("VIR FOURNISSEUR", "Fournisseur divers", "transfer", "Transfer", "other_expense",
          ("Purchases", "Subcontracting"), 200, 8_000, 180_000, 44, 50),
    Trade("NOTE DE FRAIS", "Remboursement de frais", "transfer", "Transfer", "other_expense",
          ("Salaries", "Expense reports"), 0, 800, 24_000, 40, 30),
    Trade("PAIEMENT EN 3 FOIS", "Qonto Pay later", "financing_installment",
          "FinancingInstallment", "other_expense", ("Bank", "Financing"), None, 8_000, 60_000, 8),
    Trade("FINANCEMENT PAY LATER", "Qonto Pay later", "pay_later", "FinancingIncome",
          "treasury_and_interco", ("Bank", "Financing"), None, 30_000, 150_000, 3),
    Trade("RETENUE SUR PRELEVEMENTS", "Garantie prélèvements", "direct_debit_hold",
          "DirectDebitHold", "treasury_and_interco", ("Bank", "Guarantees"), None,
          2_000, 20_000, 3),
    Trade("AVVISO PAGOPA", "Comune di Torino", "other", "PagopaPayment", "tax",
          ("Taxes", "Other taxes"), None, 1_500, 12_000, 3, 40),
    Trade("RAPPEL VIREMENT", "Rappel de virement", "recall", "Recall", "refund",
          ("Other", "Refunds"), None, 2_000, 40_000, 4),
)  # fmt: skip


OPENING_TRADE = Trade(
    "VIR APPORT EN CAPITAL", "Apport des associés", "income", "Income", "treasury_and_interco",
    ("Other", "Internal transfers"), None, 0, 0, 0,
)  # fmt: skip


@dataclass(frozen=True)
class Event:
    """A movement that another document tells of, such as the payment of an invoice."""

    key: tuple[str, int]
    """The document: its collection and its position there."""
    account: int
    wanted: int
    """Earliest moment of settlement."""
    cents: int
    credit: bool
    operation: str
    subject: str
    label: str
    fields: Row = field(default_factory=dict, hash=False)
    """Fields of the rendered row that the document decides."""


class Settled(NamedTuple):
    """Where an event ended up."""

    transaction_id: str
    moment: int
    """When it was settled."""
