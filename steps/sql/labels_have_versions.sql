SELECT to_regclass('labels_versions') IS NOT NULL
