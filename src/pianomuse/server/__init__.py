"""The studio's server: projects and ideas over HTTP, on this machine. `docs/reference/http.md` is its reference."""
