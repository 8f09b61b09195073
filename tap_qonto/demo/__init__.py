"""A made-up company behind an imitation of Qonto's API: no account, no network, no secrets.

`company` is the world (who exists, what was paid), `api` the HTTP rules, `transport` answers a
`requests` session inside the process, and `server` puts the same application on a loopback port.

What it does not imitate, so that nobody takes it for a specification:

* Nothing can be written through HTTP: every method but GET answers 405 (OAuth's token endpoint
  aside). The world changes only through `Company.put`, `change` and `remove`.
* No rate limit. A test that wants a 429 injects one through `Api.before`.
* No scopes and no roles: a credential is valid or it is not. The resources that Qonto opens to
  OAuth alone are the one distinction made.
* Insurance contracts, terminal payments, strong authentication sessions, IBAN certificates and
  the two endpoints that Qonto has switched off (external transfers, organizations by slug) are
  unknown routes.
* Where Qonto's answer is not known (are bounds inclusive, are several statuses honoured, is the
  count capped at the ceiling) the behaviour is a parameter of `Api`, not a claim.
* Unknown parameters are always refused, although Qonto may well ignore them: a client that
  misspells a filter must notice.
* Balances, statements and totals of the generated history add up; they are not computed again
  when a test changes a row.
* The invoices' PDFs carry a valid Factur-X XML but embed no fonts and no colour profile, which
  strict PDF/A-3 asks for.
"""
