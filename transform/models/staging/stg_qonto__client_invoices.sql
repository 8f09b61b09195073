select
    id as invoice_id,
    coalesce(nullif(number, ''), nullif(invoice_number, '')) as invoice_number,
    client_id,
    coalesce(
        nullif({{ json_field('client', ['name']) }}, ''),
        nullif(trim(
            coalesce({{ json_field('client', ['first_name']) }}, '') || ' '
            || coalesce({{ json_field('client', ['last_name']) }}, '')
        ), '')
    ) as client,
    status,
    upper(coalesce(currency, {{ json_field('total_amount', ['currency']) }})) as currency,
    coalesce(total_amount_cents, {{ json_cents('total_amount') }}) as total_cents,
    coalesce(vat_amount_cents, {{ json_cents('vat_amount') }}) as vat_cents,
    coalesce({{ json_cents('amount_paid') }}, 0) as paid_cents,
    issue_date as issued_on,
    due_date as due_on,
    created_at,
    paid_at,
    items
from (
    {{ rows_of('client_invoices', [
        'id', 'number', 'invoice_number', 'client_id', 'client', 'status', 'currency',
        'total_amount', 'total_amount_cents', 'vat_amount', 'vat_amount_cents', 'amount_paid',
        'issue_date', 'due_date', 'created_at', 'paid_at', 'items',
    ]) }}
) as raw
