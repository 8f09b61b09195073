"""Who exists and what was paid: one made-up company, by formula."""
