{#- Money is counted in whole cents inside, and shown in major units at the edge; it is never a float. -#}

{#- Major units as numeric(18,2), from cents. -#}
{% macro money(cents) -%}
cast(cast({{ cents }} as bigint) * cast('0.01' as {{ type_decimal(3, 2) }}) as {{ type_decimal(18, 2) }})
{%- endmacro %}

{#- Cents, from major units in a number, or in text with any number of decimals. -#}
{% macro cents(amount) -%}
cast(round(cast({{ amount }} as {{ type_decimal(26, 6) }}) * 100) as bigint)
{%- endmacro %}

{#- Cents of a field of Qonto's {value, currency}. -#}
{% macro json_cents(column) %}{{ cents("nullif(" ~ json_field(column, ["value"]) ~ ", '')") }}{% endmacro %}

{#- A share of two whole numbers, rounded; null unless the second is more than 0.

    Counted in whole numbers, because DuckDB divides decimals as floats. -#}
{% macro ratio(part, whole, precision, scale) -%}
case
    when {{ whole }} > 0 then cast(
        sign({{ part }})
        * {{ whole_quotient(
            "2 * abs(" ~ part ~ ") * " ~ 10 ** scale ~ " + (" ~ whole ~ ")", "2 * (" ~ whole ~ ")"
        ) }}
        * cast('{{ "%.*f" | format(scale, 10 ** -scale) }}' as {{ type_decimal(6, scale) }})
        as {{ type_decimal(precision, scale) }}
    )
end
{%- endmacro %}
