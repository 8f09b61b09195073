select
    id as organization_id,
    coalesce(name, legal_name) as organization_name,
    locale,
    _sdc_extracted_at as loaded_at
from (
    {{ current_rows_of('organization', ['id', 'name', 'legal_name', 'locale']) }}
) as raw
