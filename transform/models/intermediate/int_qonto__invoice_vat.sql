{#- The VAT of invoices and credit notes by rate in percent. What the lines leave over (discounts,
    rounding) is under the rate that all lines have, if it is one. -#}
with documents as (

    select
        invoice_id as document_id,
        'sale' as kind,
        currency,
        issued_on,
        vat_cents,
        1 as factor,
        items as lines
    from {{ ref('int_qonto__client_invoices') }}
    where is_issued

    union all

    select
        notes.credit_note_id,
        'sale',
        notes.currency,
        coalesce(notes.issued_on, {{ local_day('notes.created_at') }}),
        -notes.vat_cents,
        -1,
        notes.items
    from {{ ref('stg_qonto__credit_notes') }} as notes
    left join {{ ref('int_qonto__client_invoices') }} as invoices on notes.invoice_id = invoices.invoice_id
    where coalesce(invoices.is_issued, true)

    union all

    select
        invoice_id,
        'purchase',
        currency,
        issued_on,
        vat_cents,
        case when is_credit_note then -1 else 1 end,
        taxes
    from {{ ref('int_qonto__supplier_invoices') }}
    where coalesce(status, '') not in ('rejected', 'archived', 'discarded')

),

lines as (

    select
        documents.document_id,
        {{ percent("nullif(coalesce(" ~ json_field(item('lines'), ['vat_rate']) ~ ", " ~ json_field(item('lines'), ['tax_rate']) ~ "), '')") }} as rate,
        documents.factor * abs(coalesce(
            cast(nullif({{ json_field(item('lines'), ['total_vat_cents']) }}, '') as bigint),
            {{ cents("nullif(coalesce(" ~ json_field(item('lines'), ['total_vat', 'value']) ~ ", " ~ json_field(item('lines'), ['tax_amount', 'value']) ~ "), '')") }},
            0
        )) as vat_cents
    from documents
    {{ each_item('documents.lines', 'lines') }}

),

detailed as (

    select
        document_id,
        sum(vat_cents) as vat_cents,
        case when count(distinct rate) = 1 then max(rate) end as only_rate
    from lines
    group by document_id

),

parts as (

    select
        document_id,
        rate,
        vat_cents
    from lines

    union all

    select
        documents.document_id,
        detailed.only_rate as rate,
        documents.vat_cents - coalesce(detailed.vat_cents, 0) as vat_cents
    from documents
    left join detailed on documents.document_id = detailed.document_id

)

select
    documents.document_id,
    documents.kind,
    documents.currency,
    documents.issued_on,
    parts.rate,
    cast(sum(parts.vat_cents) as bigint) as vat_cents
from parts
inner join documents on parts.document_id = documents.document_id
where parts.vat_cents <> 0
group by
    documents.document_id, documents.kind, documents.currency, documents.issued_on, parts.rate
