{#- Which credit paid which client invoice: the one that names its number, else the only one of the
    same amount and client. -#}
with invoices as (

    select
        invoice_id,
        currency,
        total_cents,
        issued_on,
        {{ as_words('invoice_number') }} as number_words,
        {{ name_key('client') }} as client_key
    from {{ ref('int_qonto__client_invoices') }}
    where status <> 'canceled'

),

credits as (

    select
        transaction_id,
        currency,
        amount_cents,
        coalesce(completed_on, emitted_on) as paid_on,
        {{ as_words('reference') }} as reference_words,
        {{ name_key('counterparty') }} as counterparty_key
    from {{ ref('int_qonto__transactions') }}
    where status in ('completed', 'pending') and side = 'credit' and flow_type = 'operating'

),

words as (

    select
        credits.transaction_id,
        {{ word('words') }} as word
    from credits
    {{ each_word('credits.reference_words', 'words') }}

),

-- A number of several words is found by its last one, then looked for as a whole: F-1 is not F-12.
by_reference as (

    select distinct
        invoices.invoice_id,
        words.transaction_id
    from invoices
    inner join words on {{ last_word('invoices.number_words') }} = words.word
    inner join credits on words.transaction_id = credits.transaction_id
    where
        invoices.number_words <> ''
        and invoices.currency = credits.currency
        and credits.amount_cents <= invoices.total_cents
        and {{ place_of("' ' || invoices.number_words || ' '", "' ' || credits.reference_words || ' '") }} > 0

),

same as (

    select
        invoices.invoice_id,
        credits.transaction_id,
        count(*) over (partition by invoices.invoice_id) as of_invoice,
        count(*) over (partition by credits.transaction_id) as of_transaction
    from invoices
    inner join credits
        on
            invoices.client_key = credits.counterparty_key
            and invoices.currency = credits.currency
            and invoices.total_cents = credits.amount_cents
            and credits.paid_on between invoices.issued_on and {{ add_days('invoices.issued_on', 120) }}
    left join by_reference as named on invoices.invoice_id = named.invoice_id
    left join by_reference as naming on credits.transaction_id = naming.transaction_id
    where invoices.client_key <> '' and named.invoice_id is null and naming.invoice_id is null

)

select
    invoice_id,
    transaction_id,
    'reference' as matched_by
from by_reference

union all

select
    invoice_id,
    transaction_id,
    'amount' as matched_by
from same
where of_invoice = 1 and of_transaction = 1
