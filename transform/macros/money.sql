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

{#- A VAT rate in percent, from a fraction (0.2) or percent (20), which suppliers' invoices mix: no
    rate is above 50 %, and none that is not 0 below 0.5 %. -#}
{% macro percent(rate) -%}
{%- set number = "cast(" ~ rate ~ " as " ~ type_decimal(26, 6) ~ ")" -%}
cast(case when {{ number }} <= 0.5 then {{ number }} * 100 else {{ number }} end as {{ type_decimal(7, 2) }})
{%- endmacro %}
