select
    flows.source || ':' || coalesce(flows.document_id, flows.side || ':' || flows.currency)
    || ':' || cast(flows.expected_on as {{ type_text() }}) as flow_id,
    flows.source,
    flows.certainty,
    flows.account_id,
    case when flows.source <> 'series' then flows.document_id end as document_id,
    flows.counterparty,
    coalesce(
        nullif(flows.description, ''),
        case flows.source
            when 'pending_transaction' then 'Pending'
            when 'sepa_transfer' then 'Transfer'
            when 'pay_later' then 'Pay Later'
            when 'series' then 'Every month'
            when 'spending' then case flows.side when 'credit' then 'Other receipts' else 'Card and other spending' end
            when 'not_yet_invoiced' then 'Not yet invoiced'
        end
    ) as description,
    flows.currency,
    flows.side,
    flows.promised_on,
    flows.expected_on,
    cast(flows.week as bigint) as week,
    {{ money('flows.amount_cents') }} as amount,
    flows.weight,
    {{ money('flows.net_cents') }} as net
from {{ ref('int_qonto__expected_flows') }} as flows
inner join {{ ref('int_qonto__as_of') }} as as_of on flows.as_of = as_of.as_of
