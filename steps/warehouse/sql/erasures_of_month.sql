SELECT erased_at, fingerprint_before, fingerprint_after FROM erasures WHERE as_of = %(as_of)s ORDER BY id
