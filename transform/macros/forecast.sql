{#- Ages, weights and days that receivables and the forecast share. -#}

{#- How late, in words; an invoice that is due today is not late. -#}
{% macro age_bucket(days_overdue) -%}
case
    when {{ days_overdue }} <= 0 then 'not due'
    when {{ days_overdue }} <= 30 then '1-30'
    when {{ days_overdue }} <= 60 then '31-60'
    when {{ days_overdue }} <= 90 then '61-90'
    else 'over 90'
end
{%- endmacro %}

{#- The share of an invoice of that age that the forecast counts on; what is over 90 days late is
    doubtful, and counts for nothing. -#}
{% macro weight(days_overdue) -%}
cast(
    case {{ age_bucket(days_overdue) }}
        {%- for bucket, share in var('qonto_weights').items() %}
        when '{{ bucket }}' then cast('{{ share }}' as {{ type_decimal(5, 4) }})
        {%- endfor %}
        else 0
    end as {{ type_decimal(5, 4) }}
)
{%- endmacro %}

{#- When an invoice is expected to be paid: on its day, if that is to come; tomorrow if it is due
    and not late; in two weeks if it is late. -#}
{% macro expected_on(usual_day, due_on, as_of) -%}
case
    when {{ usual_day }} > {{ as_of }} then {{ usual_day }}
    when {{ due_on }} >= {{ as_of }} then {{ add_days(as_of, 1) }}
    else {{ add_days(as_of, 14) }}
end
{%- endmacro %}

{% macro horizon_days() %}{{ var('qonto_horizon_weeks') * 7 }}{% endmacro %}

{#- An expected day, or tomorrow if that has passed. -#}
{% macro not_before_tomorrow(day, as_of) %}greatest({{ day }}, {{ add_days(as_of, 1) }}){% endmacro %}
