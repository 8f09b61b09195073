select
    id as invoice_id,
    nullif(invoice_number, '') as invoice_number,
    supplier_id,
    coalesce(
        nullif(supplier_name, ''), nullif({{ json_field('supplier_snapshot', ['name']) }}, ''),
        nullif(issuer_name, '')
    ) as supplier,
    status,
    coalesce(is_credit_note, false) as is_credit_note,
    upper(coalesce(
        {{ json_field('total_amount', ['currency']) }}, {{ json_field('payable_amount', ['currency']) }}
    )) as currency,
    {{ json_cents('total_amount') }} as total_cents,
    {{ json_cents('payable_amount') }} as payable_cents,
    {{ json_cents('total_tax_amount') }} as vat_cents,
    taxes,
    issue_date as issued_on,
    due_date as due_on,
    scheduled_date as scheduled_on,
    payment_date as paid_on,
    created_at,
    analyzed_at,
    nullif({{ json_field('approval_workflow', ['last_approved_by']) }}, '') as approved_by,
    matched_transactions,
    matched_transactions_ids,
    transfer_ids
from (
    {{ rows_of('supplier_invoices', [
        'id', 'invoice_number', 'supplier_id', 'supplier_name', 'supplier_snapshot', 'issuer_name',
        'status', 'is_credit_note', 'total_amount', 'payable_amount', 'total_tax_amount', 'taxes',
        'issue_date', 'due_date', 'scheduled_date', 'payment_date', 'created_at', 'analyzed_at',
        'approval_workflow', 'matched_transactions', 'matched_transactions_ids', 'transfer_ids',
    ]) }}
) as raw
