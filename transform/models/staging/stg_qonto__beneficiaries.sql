select
    id as beneficiary_id,
    name as beneficiary,
    nullif(upper(replace(iban, ' ', '')), '') as iban
from (
    {{ rows_of('beneficiaries', ['id', 'name', 'iban']) }}
) as raw
