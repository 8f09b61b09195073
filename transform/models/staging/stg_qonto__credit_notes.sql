select
    id as credit_note_id,
    invoice_id,
    number as credit_note_number,
    upper(coalesce(currency, {{ json_field('total_amount', ['currency']) }}, 'EUR')) as currency,
    -- A credit note takes away, whichever sign it is given.
    abs(coalesce(total_amount_cents, {{ json_cents('total_amount') }})) as total_cents,
    abs(coalesce(vat_amount_cents, {{ json_cents('vat_amount') }})) as vat_cents,
    issue_date as issued_on,
    created_at,
    items
from (
    {{ current_rows_of('credit_notes', [
        'id', 'invoice_id', 'number', 'currency', 'total_amount', 'total_amount_cents', 'vat_amount',
        'vat_amount_cents', 'issue_date', 'created_at', 'items',
    ]) }}
) as raw
