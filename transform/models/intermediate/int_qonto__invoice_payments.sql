{#- Which transaction paid how much of which invoice. -#}
with matches as (

    select
        invoices.invoice_id,
        matches.transaction_id,
        'client' as kind,
        matches.matched_by,
        invoices.invoice_number,
        invoices.client as counterparty,
        invoices.currency,
        invoices.total_cents,
        invoices.issued_on
    from {{ ref('int_qonto__client_matches') }} as matches
    inner join {{ ref('int_qonto__client_invoices') }} as invoices on matches.invoice_id = invoices.invoice_id

    union all

    select
        invoices.invoice_id,
        matches.transaction_id,
        'supplier',
        'qonto',
        invoices.invoice_number,
        invoices.supplier,
        invoices.currency,
        invoices.total_cents,
        invoices.issued_on
    from {{ ref('int_qonto__supplier_matches') }} as matches
    inner join {{ ref('int_qonto__supplier_invoices') }} as invoices on matches.invoice_id = invoices.invoice_id

),

joined as (

    select
        matches.*,
        transactions.emitted_on,
        transactions.completed_on,
        transactions.amount_cents,
        -- What an invoice in another currency cost cannot be told from here.
        transactions.currency = matches.currency and matches.total_cents is not null as is_applicable
    from matches
    inner join {{ ref('int_qonto__transactions') }} as transactions
        on matches.transaction_id = transactions.transaction_id

),

-- A transaction pays its invoices in the order of their issue, as far as it goes ...
by_transaction as (

    select
        joined.*,
        greatest(0, least(
            total_cents,
            amount_cents - coalesce(sum(total_cents) over (
                partition by transaction_id, is_applicable order by issued_on, invoice_id
                rows between unbounded preceding and 1 preceding
            ), 0)
        )) as share_cents
    from joined
    where is_applicable

),

-- ... and an invoice is paid by its transactions in the order of settlement, until it is paid.
by_invoice as (

    select
        invoice_id,
        transaction_id,
        greatest(0, least(
            share_cents,
            total_cents - coalesce(sum(share_cents) over (
                partition by invoice_id order by coalesce(completed_on, cast('9999-12-31' as date)), transaction_id
                rows between unbounded preceding and 1 preceding
            ), 0)
        )) as applied_cents
    from by_transaction

)

select
    joined.invoice_id,
    joined.transaction_id,
    joined.kind,
    joined.matched_by,
    joined.invoice_number,
    joined.counterparty,
    joined.currency,
    joined.emitted_on,
    joined.completed_on as paid_on,
    joined.total_cents,
    joined.amount_cents,
    cast(by_invoice.applied_cents as bigint) as applied_cents
from joined
left join by_invoice
    on joined.invoice_id = by_invoice.invoice_id and joined.transaction_id = by_invoice.transaction_id
