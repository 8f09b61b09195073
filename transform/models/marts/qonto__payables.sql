select
    invoices.invoice_id,
    invoices.invoice_number,
    invoices.supplier_id,
    invoices.supplier as supplier_name,
    invoices.currency,
    invoices.status,
    invoices.approval,
    invoices.issued_on,
    invoices.due_on,
    invoices.pay_on,
    {{ money('invoices.open_cents') }} as open_amount,
    cast(
        greatest(0, coalesce({{ days_between('invoices.due_on', 'as_of.as_of') }}, 0)) as bigint
    ) as days_overdue,
    invoices.is_analyzed,
    invoices.is_credit_note
from {{ ref('int_qonto__supplier_invoices') }} as invoices
cross join {{ ref('int_qonto__as_of') }} as as_of
where invoices.is_open
