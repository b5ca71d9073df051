"""The store on Redis or Valkey: every decision is one Lua script, atomic on one server."""
