"""The streams, one module per product area."""

from __future__ import annotations

from tap_qonto.streams.attachments import (
    ClientInvoiceAttachments,
    CreditNoteAttachments,
    QuoteAttachments,
    StatementFiles,
    SupplierInvoiceAttachments,
    TransactionAttachments,
)
from tap_qonto.streams.integrations import WebhookSubscriptions
from tap_qonto.streams.invoicing import (
    ClientInvoices,
    Clients,
    CreditNotes,
    EinvoicingSettings,
    Products,
    Quotes,
)
from tap_qonto.streams.organization import (
    BankAccounts,
    Labels,
    Memberships,
    Organization,
    Subscription,
    Teams,
)
from tap_qonto.streams.payments import (
    DirectDebitCollections,
    DirectDebitMandates,
    DirectDebitSubscriptions,
    PaymentLinkPayments,
    PaymentLinks,
    Terminals,
)
from tap_qonto.streams.spending import Cards, Requests, SupplierInvoices
from tap_qonto.streams.transactions import CashFlowCategories, Statements, Transactions
from tap_qonto.streams.transfers import (
    Beneficiaries,
    BulkTransfers,
    InternationalBeneficiaries,
    RecurringTransfers,
    SepaTransfers,
)

STREAMS = (
    Organization,
    BankAccounts,
    Transactions,
    TransactionAttachments,
    Labels,
    Memberships,
    Teams,
    Beneficiaries,
    SepaTransfers,
    BulkTransfers,
    RecurringTransfers,
    InternationalBeneficiaries,
    Statements,
    StatementFiles,
    Cards,
    Requests,
    CashFlowCategories,
    Subscription,
    ClientInvoices,
    ClientInvoiceAttachments,
    CreditNotes,
    CreditNoteAttachments,
    Quotes,
    QuoteAttachments,
    Products,
    Clients,
    SupplierInvoices,
    SupplierInvoiceAttachments,
    EinvoicingSettings,
    PaymentLinks,
    PaymentLinkPayments,
    Terminals,
    WebhookSubscriptions,
    DirectDebitMandates,
    DirectDebitSubscriptions,
    DirectDebitCollections,
)
"""Every stream, in the order of Qonto's own documentation."""

READ_FIRST = (
    Organization,
    BankAccounts,
    Transactions,
    ClientInvoices,
    SupplierInvoices,
    CreditNotes,
)
"""What a run reads before all others: what people miss first, if a run is cut off."""
