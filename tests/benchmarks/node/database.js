// The connections to PostgreSQL: as many as the other contenders have, and no trigger runs for them either.
import postgres from 'postgres'

export function connectDatabase() {
  return postgres({ max: 8, connection: { session_replication_role: 'replica' } }) // where: PGHOST, PGUSER, PGDATABASE
}
