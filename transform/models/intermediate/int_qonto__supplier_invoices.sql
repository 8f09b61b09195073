{#- Supplier invoices with what is to pay on them; amounts are null until they are analysed. -#}
with main_account as (

    select coalesce(max(case when is_main then currency end), max(currency), 'EUR') as currency
    from {{ ref('int_qonto__accounts') }}

)

select
    invoices.invoice_id,
    invoices.invoice_number,
    invoices.supplier_id,
    invoices.supplier,
    invoices.status,
    invoices.is_credit_note,
    coalesce(invoices.currency, main_account.currency) as currency,
    abs(coalesce(invoices.total_cents, invoices.payable_cents)) as total_cents,
    case when invoices.is_credit_note then -1 else 1 end
    * abs(coalesce(invoices.payable_cents, invoices.total_cents)) as open_cents,
    case when invoices.is_credit_note then -1 else 1 end * abs(invoices.vat_cents) as vat_cents,
    invoices.taxes,
    {{ local_day('invoices.created_at') }} as arrived_on,
    coalesce(invoices.issued_on, {{ local_day('invoices.created_at') }}) as issued_on,
    invoices.due_on,
    coalesce(invoices.scheduled_on, invoices.due_on) as pay_on,
    invoices.paid_on,
    invoices.analyzed_at is not null as is_analyzed,
    case
        when invoices.status = 'to_approve' then 'waiting'
        when invoices.approved_by is not null then 'approved'
        else 'none'
    end as approval,
    invoices.status in (
        'to_review', 'to_approve', 'to_pay', 'awaiting_payment', 'pending', 'scheduled'
    ) as is_open,
    invoices.matched_transactions,
    invoices.matched_transactions_ids,
    invoices.transfer_ids
from {{ ref('stg_qonto__supplier_invoices') }} as invoices
cross join main_account
