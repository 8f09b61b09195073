select
    id as beneficiary_id,
    name as beneficiary
from (
    {{ rows_of('beneficiaries', ['id', 'name']) }}
) as raw
