{#- Tests that several tables share. -#}

{#- Fails for rows whose key is missing or not theirs alone.

    columns: names of the key's columns. nullable: those of them that may be null. -#}
{% test has_key(model, columns, nullable=[]) %}
select
    {{ columns | join(', ') }},
    count(*) as occurrences
from {{ model }}
group by {{ columns | join(', ') }}
having
    count(*) > 1
    {%- for column in columns if column not in nullable %}
    or {{ column }} is null
    {%- endfor %}
{% endtest %}
