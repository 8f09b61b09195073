{#- A stream of the tap as the loader left it, whatever of it is there.

    An API key, a plan or `select` may leave out a stream (then there is no table) or a column.
    Both are filled in with typed nulls, so that every model finds the columns that it reads. -#}

{#- A query of some columns of a stream; a table that is not there has no rows.

    Timestamps come without zone in UTC, arrays and objects as JSON, integers as bigint.
    stream: name of the stream. columns: names out of columns_of(stream). -#}
{% macro rows_of(stream, columns) %}
{%- set kinds = columns_of(stream) -%}
{%- set present = columns_there(stream) -%}
select
{%- for column in columns + ['_sdc_extracted_at'] %}
    {%- set kind = kinds[column] if column in kinds else ('timestamp' if column.startswith('_sdc_') else none) -%}
    {%- if kind is none %}
        {{- exceptions.raise_compiler_error("The stream " ~ stream ~ " has no column " ~ column) }}
    {%- endif %}
    {% if present is none or column in present -%}
        {{ typed(adapter.quote(column), kind, is_text=present[column] if present is not none else false) }}
    {%- else -%}
        cast(null as {{ type_of(kind) }})
    {%- endif %} as {{ adapter.quote(column) }}{{ "," if not loop.last }}
{%- endfor %}
{%- if present is none or present %}
from {{ source('qonto', stream) }}
{%- else %}
from (select 1 as nothing) as nothing
where 1 = 0
{%- endif %}
{%- endmacro %}

{#- Rows of a stream that is read wholly on every run, without those that Qonto no longer has.

    They were not read with the others by the last load. A list is read within minutes, and runs
    are further apart. Without the loader's metadata columns every row stays. -#}
{% macro current_rows_of(stream, columns) -%}
select * from ({{ rows_of(stream, columns) }}) as loaded
where
    _sdc_extracted_at is null
    or _sdc_extracted_at >= (
        select {{ add_seconds('max(last._sdc_extracted_at)', -1800) }}
        from ({{ rows_of(stream, []) }}) as last
    )
{%- endmacro %}

{#- The names of a stream's columns in the warehouse, each with whether it is text: nothing where
    there is no table, none where the warehouse is not to be asked (dbt compile --no-introspect). -#}
{% macro columns_there(stream) %}
    {%- if not execute or not flags.INTROSPECT -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set table = source('qonto', stream) -%}
    {%- set relation = adapter.get_relation(database=table.database, schema=table.schema, identifier=table.identifier) -%}
    {%- if relation is none -%}
        {{ return({}) }}
    {%- endif -%}
    {%- set found = {} -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- do found.update({column.name: column.is_string()}) -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

{#- True if the stream is there, with all of these columns; a tuple stands for one of its names. -#}
{% macro has_columns(stream, columns) %}
    {%- set present = columns_there(stream) -%}
    {%- if present is none -%}
        {{ return(true) }}
    {%- endif -%}
    {%- for names in columns -%}
        {%- set found = [] -%}
        {%- for name in ([names] if names is string else names) if name in present -%}
            {%- do found.append(name) -%}
        {%- endfor -%}
        {%- if not found -%}
            {{ return(false) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(present | length > 0) }}
{% endmacro %}

{#- A column with the type of its kind, whatever type the loader gave it: one that knows no other
    than text (CSV) leaves JSON, instants and numbers as text. -#}
{% macro typed(column, kind, is_text=false) -%}
    {%- set said = "nullif(" ~ column ~ ", '')" if is_text else column -%}
    {%- if kind == 'text' -%}
        cast({{ column }} as {{ type_text() }})
    {%- elif kind == 'json' -%}
        {{ json_of_text(said) if is_text else as_json(column) }}
    {%- elif kind == 'timestamp' -%}
        {{ utc_of_text(said) if is_text else utc(column) }}
    {%- elif kind == 'date' -%}
        cast(nullif(substr(cast({{ column }} as {{ type_text() }}), 1, 10), '') as date)
    {%- elif kind == 'bigint' and is_text -%}
        cast(cast({{ said }} as {{ type_decimal(26, 6) }}) as bigint)
    {%- else -%}
        cast({{ said }} as {{ type_of(kind) }})
    {%- endif -%}
{%- endmacro %}

{% macro type_of(kind) -%}
    {%- if kind == 'json' -%}{{ type_json() }}
    {%- elif kind == 'text' -%}{{ type_text() }}
    {%- elif kind == 'number' -%}{{ type_decimal(26, 6) }}
    {%- else -%}{{ kind }}{%- endif -%}
{%- endmacro %}

{#- Whether all movements of a day are there: with a start date, from the day after it on. -#}
{% macro is_whole(day) -%}
{%- if var('qonto_start_date') -%}
{{ day }} > cast('{{ (var("qonto_start_date") | string)[:10] }}' as date)
{%- else -%}
1 = 1
{%- endif -%}
{%- endmacro %}
