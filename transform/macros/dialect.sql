{#- Every spelling that differs between databases, and no other place has one.

    DuckDB and PostgreSQL are tested. Snowflake and BigQuery are compiled, never run.
    A timestamp is without zone and in UTC (rows_of sees to that); a date is a date. -#}

{#- Types -#}

{% macro type_json() %}{{ return(adapter.dispatch('type_json', 'qonto')()) }}{% endmacro %}
{% macro duckdb__type_json() %}json{% endmacro %}
{% macro postgres__type_json() %}jsonb{% endmacro %}
{% macro snowflake__type_json() %}variant{% endmacro %}
{% macro bigquery__type_json() %}json{% endmacro %}

{% macro type_text() %}{{ return(adapter.dispatch('type_text', 'qonto')()) }}{% endmacro %}
{% macro default__type_text() %}text{% endmacro %}
{% macro bigquery__type_text() %}string{% endmacro %}

{% macro type_decimal(precision, scale) %}{{ return(adapter.dispatch('type_decimal', 'qonto')(precision, scale)) }}{% endmacro %}
{% macro default__type_decimal(precision, scale) %}numeric({{ precision }},{{ scale }}){% endmacro %}
{% macro bigquery__type_decimal(precision, scale) %}numeric{% endmacro %}

{#- The whole part of a quotient; both are whole numbers, the first not negative, the second more than 0. -#}
{% macro whole_quotient(dividend, divisor) %}{{ return(adapter.dispatch('whole_quotient', 'qonto')(dividend, divisor)) }}{% endmacro %}
{% macro duckdb__whole_quotient(dividend, divisor) %}cast(({{ dividend }}) // ({{ divisor }}) as bigint){% endmacro %}
{% macro postgres__whole_quotient(dividend, divisor) %}cast(div({{ dividend }}, {{ divisor }}) as bigint){% endmacro %}
{% macro snowflake__whole_quotient(dividend, divisor) %}cast(floor(({{ dividend }}) / ({{ divisor }})) as bigint){% endmacro %}
{% macro bigquery__whole_quotient(dividend, divisor) %}div(cast({{ dividend }} as int64), cast({{ divisor }} as int64)){% endmacro %}


{#- Instants and days -#}

{#- Any timestamp, with zone or without, as one without zone in UTC. -#}
{% macro utc(column) %}{{ return(adapter.dispatch('utc', 'qonto')(column)) }}{% endmacro %}
{% macro duckdb__utc(column) %}make_timestamp(epoch_us({{ column }})){% endmacro %}
{% macro postgres__utc(column) %}(to_timestamp(extract(epoch from {{ column }})) at time zone 'UTC'){% endmacro %}
{% macro snowflake__utc(column) %}convert_timezone('UTC', {{ column }})::timestamp_ntz{% endmacro %}
{% macro bigquery__utc(column) %}cast({{ column }} as timestamp){% endmacro %}

{#- The same from ISO 8601 in text; what says no zone is in UTC. -#}
{% macro utc_of_text(column) %}{{ return(adapter.dispatch('utc_of_text', 'qonto')(column)) }}{% endmacro %}
{% macro duckdb__utc_of_text(column) %}cast({{ column }} as timestamp){% endmacro %}
{% macro postgres__utc_of_text(column) -%}
case
    when {{ column }} ~* ':.*(z|utc|[+-][0-9:]+)$' then cast({{ column }} as timestamptz) at time zone 'UTC'
    else cast({{ column }} as timestamp)
end
{%- endmacro %}
{% macro snowflake__utc_of_text(column) %}convert_timezone('UTC', to_timestamp_tz({{ column }}))::timestamp_ntz{% endmacro %}
{% macro bigquery__utc_of_text(column) %}cast({{ column }} as timestamp){% endmacro %}

{#- The day of an instant in qonto_timezone. -#}
{% macro local_day(column) %}{{ return(adapter.dispatch('local_day', 'qonto')(column)) }}{% endmacro %}
{% macro duckdb__local_day(column) %}cast(timezone('{{ var("qonto_timezone") }}', timezone('UTC', {{ column }})) as date){% endmacro %}
{% macro postgres__local_day(column) %}cast({{ column }} at time zone 'UTC' at time zone '{{ var("qonto_timezone") }}' as date){% endmacro %}
{% macro snowflake__local_day(column) %}convert_timezone('UTC', '{{ var("qonto_timezone") }}', {{ column }})::date{% endmacro %}
{% macro bigquery__local_day(column) %}date({{ column }}, '{{ var("qonto_timezone") }}'){% endmacro %}

{#- Now, as the other timestamps are. -#}
{% macro utc_now() %}{{ return(adapter.dispatch('utc_now', 'qonto')()) }}{% endmacro %}
{% macro duckdb__utc_now() %}{{ utc('now()') }}{% endmacro %}
{% macro postgres__utc_now() %}{{ utc('now()') }}{% endmacro %}
{% macro snowflake__utc_now() %}sysdate(){% endmacro %}
{% macro bigquery__utc_now() %}current_timestamp(){% endmacro %}

{% macro add_seconds(instant, seconds) %}{{ return(adapter.dispatch('add_seconds', 'qonto')(instant, seconds)) }}{% endmacro %}
{% macro default__add_seconds(instant, seconds) %}({{ instant }} + interval '1' second * ({{ seconds }})){% endmacro %}
{% macro snowflake__add_seconds(instant, seconds) %}dateadd(second, {{ seconds }}, {{ instant }}){% endmacro %}
{% macro bigquery__add_seconds(instant, seconds) %}timestamp_add({{ instant }}, interval ({{ seconds }}) second){% endmacro %}

{% macro add_days(day, days) %}{{ return(adapter.dispatch('add_days', 'qonto')(day, days)) }}{% endmacro %}
{% macro default__add_days(day, days) %}({{ day }} + cast({{ days }} as integer)){% endmacro %}
{% macro snowflake__add_days(day, days) %}dateadd(day, {{ days }}, {{ day }}){% endmacro %}
{% macro bigquery__add_days(day, days) %}date_add({{ day }}, interval cast({{ days }} as int64) day){% endmacro %}

{#- The same day n months later; the last one of a month that is too short. -#}
{% macro add_months(day, months) %}{{ return(adapter.dispatch('add_months', 'qonto')(day, months)) }}{% endmacro %}
{% macro duckdb__add_months(day, months) %}cast({{ day }} + to_months(cast({{ months }} as integer)) as date){% endmacro %}
{% macro postgres__add_months(day, months) %}cast({{ day }} + make_interval(months => cast({{ months }} as integer)) as date){% endmacro %}
{% macro snowflake__add_months(day, months) %}dateadd(month, {{ months }}, {{ day }}){% endmacro %}
{% macro bigquery__add_months(day, months) %}date_add({{ day }}, interval cast({{ months }} as int64) month){% endmacro %}

{#- Days from the first to the second; negative if that is earlier. -#}
{% macro days_between(first, second) %}{{ return(adapter.dispatch('days_between', 'qonto')(first, second)) }}{% endmacro %}
{% macro default__days_between(first, second) %}cast({{ second }} - {{ first }} as bigint){% endmacro %}
{% macro snowflake__days_between(first, second) %}datediff(day, {{ first }}, {{ second }}){% endmacro %}
{% macro bigquery__days_between(first, second) %}date_diff({{ second }}, {{ first }}, day){% endmacro %}

{#- The first day of a day's month. -#}
{% macro month_of(day) %}{{ return(adapter.dispatch('month_of', 'qonto')(day)) }}{% endmacro %}
{% macro default__month_of(day) %}cast(date_trunc('month', {{ day }}) as date){% endmacro %}
{% macro bigquery__month_of(day) %}date_trunc({{ day }}, month){% endmacro %}

{#- A query of the whole numbers from 0 up to, but not including, a constant, as n. -#}
{% macro numbers(count) %}{{ return(adapter.dispatch('numbers', 'qonto')(count)) }}{% endmacro %}
{% macro default__numbers(count) %}select cast(s.n as integer) as n from generate_series(0, {{ count }} - 1) as s (n){% endmacro %}
{% macro snowflake__numbers(count) %}select row_number() over (order by null) - 1 as n from table(generator(rowcount => {{ count }})){% endmacro %}
{% macro bigquery__numbers(count) %}select n from unnest(generate_array(0, {{ count }} - 1)) as n{% endmacro %}


{#- JSON -#}

{#- A column as the loader left it, as JSON; no row has JSON's null. -#}
{% macro as_json(column) %}{{ return(adapter.dispatch('as_json', 'qonto')(column)) }}{% endmacro %}
{% macro duckdb__as_json(column) %}nullif(cast({{ column }} as json), 'null'){% endmacro %}
{% macro postgres__as_json(column) %}nullif(to_jsonb({{ column }}), 'null'){% endmacro %}
{% macro snowflake__as_json(column) %}nullif(to_variant({{ column }}), parse_json('null')){% endmacro %}
{% macro bigquery__as_json(column) %}to_json({{ column }}){% endmacro %}

{#- The same from JSON in text. -#}
{% macro json_of_text(column) %}{{ return(adapter.dispatch('json_of_text', 'qonto')(column)) }}{% endmacro %}
{% macro duckdb__json_of_text(column) %}nullif(cast({{ column }} as json), 'null'){% endmacro %}
{% macro postgres__json_of_text(column) %}nullif(cast({{ column }} as jsonb), 'null'){% endmacro %}
{% macro snowflake__json_of_text(column) %}nullif(parse_json({{ column }}), parse_json('null')){% endmacro %}
{% macro bigquery__json_of_text(column) %}parse_json({{ column }}){% endmacro %}

{#- Text of a field; path is a list of names. -#}
{% macro json_field(column, path) %}{{ return(adapter.dispatch('json_field', 'qonto')(column, path)) }}{% endmacro %}
{% macro duckdb__json_field(column, path) %}({{ column }} ->> '$.{{ path | join(".") }}'){% endmacro %}
{% macro postgres__json_field(column, path) %}({{ column }} #>> '{{ "{" }}{{ path | join(",") }}{{ "}" }}'){% endmacro %}
{% macro snowflake__json_field(column, path) %}get_path({{ column }}, '{{ path | join(".") }}')::text{% endmacro %}
{% macro bigquery__json_field(column, path) %}json_value({{ column }}, '$.{{ path | join(".") }}'){% endmacro %}

{#- The field itself, as JSON. -#}
{% macro json_part(column, name) %}{{ return(adapter.dispatch('json_part', 'qonto')(column, name)) }}{% endmacro %}
{% macro default__json_part(column, name) %}({{ column }} -> '{{ name }}'){% endmacro %}
{% macro snowflake__json_part(column, name) %}get_path({{ column }}, '{{ name }}'){% endmacro %}
{% macro bigquery__json_part(column, name) %}json_query({{ column }}, '$.{{ name }}'){% endmacro %}

{#- Text of an item that is a text itself; null for an object. -#}
{% macro json_text(item) %}{{ return(adapter.dispatch('json_text', 'qonto')(item)) }}{% endmacro %}
{% macro duckdb__json_text(item) %}case when json_type({{ item }}) = 'VARCHAR' then {{ item }} ->> '$' end{% endmacro %}
{% macro postgres__json_text(item) %}case when jsonb_typeof({{ item }}) = 'string' then {{ item }} #>> '{}' end{% endmacro %}
{% macro snowflake__json_text(item) %}case when typeof({{ item }}) = 'VARCHAR' then {{ item }}::text end{% endmacro %}
{% macro bigquery__json_text(item) %}json_value({{ item }}){% endmacro %}

{#- A join with one row for each item of an array; item(alias) is the item. No array, no rows. -#}
{% macro each_item(array, alias) %}{{ return(adapter.dispatch('each_item', 'qonto')(array, alias)) }}{% endmacro %}
{% macro duckdb__each_item(array, alias) -%}
cross join unnest(cast(case when json_type({{ array }}) = 'ARRAY' then {{ array }} end as json[])) as {{ alias }} (item)
{%- endmacro %}
{% macro postgres__each_item(array, alias) -%}
cross join lateral jsonb_array_elements(case when jsonb_typeof({{ array }}) = 'array' then {{ array }} end) as {{ alias }} (item)
{%- endmacro %}
{% macro snowflake__each_item(array, alias) %}cross join lateral flatten(input => {{ array }}) as {{ alias }}{% endmacro %}
{% macro bigquery__each_item(array, alias) %}cross join unnest(json_query_array({{ array }})) as {{ alias }}{% endmacro %}

{% macro item(alias) %}{{ return(adapter.dispatch('item', 'qonto')(alias)) }}{% endmacro %}
{% macro default__item(alias) %}{{ alias }}.item{% endmacro %}
{% macro snowflake__item(alias) %}{{ alias }}.value{% endmacro %}
{% macro bigquery__item(alias) %}{{ alias }}{% endmacro %}

{#- How many items an array has; 0 for none. -#}
{% macro json_length(array) %}{{ return(adapter.dispatch('json_length', 'qonto')(array)) }}{% endmacro %}
{% macro duckdb__json_length(array) %}cast(coalesce(json_array_length({{ array }}), 0) as bigint){% endmacro %}
{% macro postgres__json_length(array) %}cast(case when jsonb_typeof({{ array }}) = 'array' then jsonb_array_length({{ array }}) else 0 end as bigint){% endmacro %}
{% macro snowflake__json_length(array) %}coalesce(array_size({{ array }}), 0){% endmacro %}
{% macro bigquery__json_length(array) %}coalesce(array_length(json_query_array({{ array }})), 0){% endmacro %}


{#- Text -#}

{#- Lower case without accents: what a bank's label and a name have in common. Databases disagree
    about the case of letters beyond ASCII, so these are spelled out. -#}
{% macro folded(column) -%}
lower(translate(
    {{ column }},
    'àâäáãåéèêëîïíìôöóòõøùûüúçñÿÀÂÄÁÃÅÉÈÊËÎÏÍÌÔÖÓÒÕØÙÛÜÚÇÑŸ',
    'aaaaaaeeeeiiiioooooouuuucnyaaaaaaeeeeiiiioooooouuuucny'
))
{%- endmacro %}

{#- A name's letters and digits, to compare it with another. -#}
{% macro name_key(column) %}{{ regexp_replace_all(folded(column), '[^a-z0-9]+', '') }}{% endmacro %}

{#- Words with one space between them; the signs inside a number (F-2026/17) are part of a word. -#}
{% macro as_words(column) -%}
trim({{ regexp_replace_all(regexp_replace_all(folded(column), '[^a-z0-9/._-]+', ' '), '(^| )[/._-]+|[/._-]+( |$)', ' ') }})
{%- endmacro %}

{% macro regexp_replace_all(text, pattern, by) %}{{ return(adapter.dispatch('regexp_replace_all', 'qonto')(text, pattern, by)) }}{% endmacro %}
{% macro default__regexp_replace_all(text, pattern, by) %}regexp_replace({{ text }}, '{{ pattern }}', '{{ by }}', 'g'){% endmacro %}
{% macro snowflake__regexp_replace_all(text, pattern, by) %}regexp_replace({{ text }}, '{{ pattern }}', '{{ by }}'){% endmacro %}
{% macro bigquery__regexp_replace_all(text, pattern, by) %}regexp_replace({{ text }}, r'{{ pattern }}', '{{ by }}'){% endmacro %}

{#- A join with one row for each word of such a text; word(alias) is the word. -#}
{% macro each_word(words, alias) %}{{ return(adapter.dispatch('each_word', 'qonto')(words, alias)) }}{% endmacro %}
{% macro duckdb__each_word(words, alias) %}cross join unnest(string_split({{ words }}, ' ')) as {{ alias }} (word){% endmacro %}
{% macro postgres__each_word(words, alias) %}cross join lateral unnest(string_to_array({{ words }}, ' ')) as {{ alias }} (word){% endmacro %}
{% macro snowflake__each_word(words, alias) %}cross join lateral split_to_table({{ words }}, ' ') as {{ alias }}{% endmacro %}
{% macro bigquery__each_word(words, alias) %}cross join unnest(split({{ words }}, ' ')) as {{ alias }}{% endmacro %}

{% macro word(alias) %}{{ return(adapter.dispatch('word', 'qonto')(alias)) }}{% endmacro %}
{% macro default__word(alias) %}{{ alias }}.word{% endmacro %}
{% macro snowflake__word(alias) %}{{ alias }}.value{% endmacro %}
{% macro bigquery__word(alias) %}{{ alias }}{% endmacro %}

{#- The last word of such a text. -#}
{% macro last_word(words) %}{{ return(adapter.dispatch('last_word', 'qonto')(words)) }}{% endmacro %}
{% macro default__last_word(words) %}regexp_replace({{ words }}, '^.* ', ''){% endmacro %}

{#- Where one text begins in another, from 1; 0 if it is not in it. -#}
{% macro place_of(part, whole) %}{{ return(adapter.dispatch('place_of', 'qonto')(part, whole)) }}{% endmacro %}
{% macro default__place_of(part, whole) %}strpos({{ whole }}, {{ part }}){% endmacro %}
{% macro snowflake__place_of(part, whole) %}position({{ part }}, {{ whole }}){% endmacro %}


{#- Queries -#}

{#- Between two queries: the rows of both, each once. -#}
{% macro union_distinct() %}{{ return(adapter.dispatch('union_distinct', 'qonto')()) }}{% endmacro %}
{% macro default__union_distinct() %}union{% endmacro %}
{% macro bigquery__union_distinct() %}union distinct{% endmacro %}


{#- Aggregates -#}

{#- The median, rounded to a whole number. -#}
{% macro median(column) %}{{ return(adapter.dispatch('median', 'qonto')(column)) }}{% endmacro %}
{% macro default__median(column) %}cast(round(cast(percentile_cont(0.5) within group (order by {{ column }}) as {{ type_decimal(26, 6) }})) as bigint){% endmacro %}
{% macro bigquery__median(column) %}approx_quantiles({{ column }}, 2)[offset(1)]{% endmacro %}

{#- Texts in alphabetical order, separated by a comma. -#}
{% macro joined(column) %}{{ return(adapter.dispatch('joined', 'qonto')(column)) }}{% endmacro %}
{% macro default__joined(column) %}string_agg({{ column }}, ', ' order by {{ column }}){% endmacro %}
{% macro postgres__joined(column) %}string_agg({{ column }}, ', ' order by {{ column }} collate "C"){% endmacro %}
{% macro snowflake__joined(column) %}listagg({{ column }}, ', ') within group (order by {{ column }}){% endmacro %}
