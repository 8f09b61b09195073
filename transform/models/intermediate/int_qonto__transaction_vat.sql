{#- The VAT of each completed transaction by rate in percent: what its details say, and under the
    rate of its header whatever they leave over, so that the parts add up. -#}
with transactions as (

    select * from {{ ref('int_qonto__transactions') }}
    where completed_on is not null

),

items as (

    select
        transactions.transaction_id,
        cast(nullif({{ json_field(item('items'), ['rate']) }}, '') as {{ type_decimal(7, 2) }}) as rate,
        coalesce(
            cast(nullif({{ json_field(item('items'), ['amount_cents']) }}, '') as bigint),
            {{ cents("nullif(" ~ json_field(item('items'), ['amount']) ~ ", '')") }},
            0
        ) as vat_cents
    from transactions
    {{ each_item(json_part('transactions.vat_details', 'items'), 'items') }}

),

detailed as (

    select
        transaction_id,
        sum(vat_cents) as vat_cents
    from items
    group by transaction_id

),

parts as (

    select
        transaction_id,
        rate,
        vat_cents
    from items

    union all

    select
        transactions.transaction_id,
        transactions.vat_rate as rate,
        transactions.vat_amount_cents - coalesce(detailed.vat_cents, 0) as vat_cents
    from transactions
    left join detailed on transactions.transaction_id = detailed.transaction_id

)

select
    transactions.transaction_id,
    transactions.currency,
    transactions.completed_on,
    transactions.side,
    parts.rate,
    cast(sum(parts.vat_cents) as bigint) as vat_cents
from parts
inner join transactions on parts.transaction_id = transactions.transaction_id
where parts.vat_cents <> 0
group by
    transactions.transaction_id, transactions.currency, transactions.completed_on, transactions.side,
    parts.rate
