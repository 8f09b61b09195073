{#- Which transaction Qonto has matched with which supplier invoice: it gives ids or objects. -#}
select
    invoices.invoice_id,
    coalesce({{ json_text(item('matches')) }}, {{ json_field(item('matches'), ['transaction_id']) }}) as transaction_id
from {{ ref('int_qonto__supplier_invoices') }} as invoices
{{ each_item('invoices.matched_transactions', 'matches') }}
where coalesce({{ json_text(item('matches')) }}, {{ json_field(item('matches'), ['transaction_id']) }}) is not null

{{ union_distinct() }}

select
    invoices.invoice_id,
    {{ json_text(item('ids')) }} as transaction_id
from {{ ref('int_qonto__supplier_invoices') }} as invoices
{{ each_item('invoices.matched_transactions_ids', 'ids') }}
where {{ json_text(item('ids')) }} is not null
