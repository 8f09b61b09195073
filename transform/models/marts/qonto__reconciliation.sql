with payments as (

    select
        transaction_id,
        count(*) as invoices,
        max(kind) as kind
    from {{ ref('int_qonto__invoice_payments') }}
    group by transaction_id

),

transactions as (

    select
        transactions.*,
        coalesce(payments.invoices, 0) as invoices,
        payments.kind,
        -- Salaries, taxes and the bank's fees have papers elsewhere.
        coalesce(transactions.category_code, '') in ('salary', 'tax', 'fees')
        or coalesce(transactions.operation_type, '') in ('qonto_fee', 'direct_debit_hold') as is_exempt
    from {{ ref('int_qonto__transactions') }} as transactions
    left join payments on transactions.transaction_id = payments.transaction_id
    where transactions.completed_on is not null

),

kinds as (

    select
        transactions.*,
        flow_type = 'operating' and not is_exempt and (
            (side = 'credit' and coalesce(operation_type, '') in ('income', 'swift_income', 'cheque', 'direct_debit_collection'))
            or (side = 'debit' and coalesce(operation_type, '') = 'transfer')
        ) as is_matchable,
        flow_type = 'operating' and not is_exempt and side = 'debit' as is_spending
    from transactions

)

select
    transaction_id,
    account_id,
    completed_on as settled_on,
    {{ month_of('completed_on') }} as month,
    currency,
    side,
    {{ money('amount_cents') }} as amount,
    flow_type,
    operation_type,
    category,
    counterparty,
    case
        when kind = 'client' then 'client_invoice'
        when kind = 'supplier' then 'supplier_invoice'
        when receipts > 0 then 'receipt'
        when receipt_lost then 'lost'
        when not is_matchable and not is_spending then 'none_needed'
        else 'missing'
    end as document,
    cast(invoices as bigint) as invoices,
    cast(receipts as bigint) as receipts,
    is_matchable,
    is_matchable and invoices > 0 as is_matched,
    is_spending and not (receipt_lost and invoices = 0 and receipts = 0) as is_documentable,
    is_spending and (invoices > 0 or receipts > 0) as is_documented
from kinds
