{#- Every transaction with its day, its sign and what kind of flow it is. -#}
{%- set financing = var('qonto_financing_categories') -%}
with own_ibans as (

    select distinct iban
    from {{ ref('int_qonto__accounts') }}
    where iban is not null

)

select
    transactions.transaction_id,
    transactions.account_id,
    transactions.status,
    transactions.side,
    transactions.operation_type,
    transactions.subject_type,
    coalesce(transactions.currency, accounts.currency, 'EUR') as currency,
    transactions.amount_cents,
    case
        when transactions.side = 'credit' then transactions.amount_cents
        when transactions.side = 'debit' then -transactions.amount_cents
    end as net_cents,
    transactions.settled_balance_cents,
    transactions.vat_amount_cents,
    transactions.vat_rate,
    transactions.vat_details,
    transactions.settled_at,
    {{ local_day('transactions.emitted_at') }} as emitted_on,
    {{ local_day('transactions.settled_at') }} as settled_on,
    case when transactions.status = 'completed' then {{ local_day('transactions.settled_at') }} end as completed_on,
    transactions.counterparty,
    transactions.reference,
    transactions.category_code,
    coalesce(transactions.category, 'Uncategorised') as category,
    coalesce(transactions.subcategory, 'Uncategorised') as subcategory,
    case
        when own_ibans.iban is not null then 'internal'
        when
            lower(transactions.subject_type) in ('financingincome', 'financinginstallment')
            or transactions.category_code = 'treasury_and_interco'
            {%- if financing %}
            {%- for column in ['category_code', 'category', 'subcategory'] %}
            or transactions.{{ column }} in ({% for name in financing %}'{{ name | replace("'", "''") }}'{{ ", " if not loop.last }}{% endfor %})
            {%- endfor %}
            {%- endif %}
            then 'financing'
        else 'operating'
    end as flow_type,
    transactions.initiator_id,
    transactions.card_last_digits,
    transactions.label_ids,
    transactions.labels,
    transactions.receipt_required,
    transactions.receipt_lost,
    transactions.receipts,
    transactions.installment,
    transactions.installments
from {{ ref('stg_qonto__transactions') }} as transactions
left join {{ ref('int_qonto__accounts') }} as accounts on transactions.account_id = accounts.account_id
left join own_ibans on transactions.counterparty_iban = own_ibans.iban
