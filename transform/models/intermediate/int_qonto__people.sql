{#- Who is behind a transaction: its initiator, that member's team, and the card, which is one of the
    same last digits and holder (digits alone are not unique). -#}
with cards as (

    select
        last_digits,
        holder_id,
        max(card_id) as card_id,
        max(card_name) as card_name,
        count(*) as cards
    from {{ ref('stg_qonto__cards') }}
    where last_digits is not null and holder_id is not null
    group by last_digits, holder_id

)

select
    transactions.transaction_id,
    transactions.initiator_id as holder_id,
    members.member as holder,
    teams.team,
    case when cards.cards = 1 then cards.card_id end as card_id,
    coalesce(case when cards.cards = 1 then cards.card_name end, transactions.card_last_digits) as card
from {{ ref('int_qonto__transactions') }} as transactions
left join {{ ref('stg_qonto__memberships') }} as members on transactions.initiator_id = members.member_id
left join {{ ref('stg_qonto__teams') }} as teams on members.team_id = teams.team_id
left join cards
    on transactions.card_last_digits = cards.last_digits and transactions.initiator_id = cards.holder_id
