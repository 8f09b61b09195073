select
    id as account_id,
    name as account_name,
    nullif(upper(replace(iban, ' ', '')), '') as iban,
    currency,
    status,
    coalesce(main, false) as is_main,
    coalesce(is_external_account, false) as is_external,
    coalesce(balance_cents, {{ cents('balance') }}) as balance_cents,
    coalesce(authorized_balance_cents, {{ cents('authorized_balance') }}) as available_cents,
    updated_at,
    _sdc_extracted_at as loaded_at
from (
    {{ current_rows_of('bank_accounts', [
        'id', 'name', 'iban', 'currency', 'status', 'main', 'is_external_account', 'balance',
        'balance_cents', 'authorized_balance', 'authorized_balance_cents', 'updated_at',
    ]) }}
) as raw
