{#- The calendar, from 2010 on for fifty years; readers take the part that they need. -#}
select {{ add_days("cast('2010-01-01' as date)", 'n') }} as day
from ({{ numbers(18262) }}) as numbers
