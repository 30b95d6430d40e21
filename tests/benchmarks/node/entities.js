// Entity types: read from the cache, else from the database; forgotten by the cache when they change.
const TTL_SECONDS = 300
const CHANGEABLE = ['entity_type', 'label', 'label_plural', 'icon', 'child_entity_codes', 'active_flag']

export class EntityInfrastructure {
  constructor(redis, sql) {
    this.redis = redis
    this.sql = sql
    const iso = (column) =>
      sql`to_char(${sql(column)} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS ${sql(column)}`
    this.columns = sql`code, entity_type, label, label_plural, icon, child_entity_codes, active_flag,
      ${iso('created_ts')}, ${iso('modified_ts')}`
  }

  async getEntity(code) {
    const cacheKey = `entity:metadata:${code}`
    try {
      const cached = await this.redis.get(cacheKey)
      if (cached) return JSON.parse(cached)
    } catch (error) {
      console.error('Cache read failed, falling back to the database:', error)
    }
    const metadata = await this.queryDatabase(code)
    if (metadata) await this.redis.setex(cacheKey, TTL_SECONDS, JSON.stringify(metadata))
    return metadata
  }

  async updateEntity(code, body) {
    const changes = Object.fromEntries(Object.entries(body).filter(([name]) => CHANGEABLE.includes(name)))
    if (changes.child_entity_codes) changes.child_entity_codes = this.sql.json(changes.child_entity_codes)
    const [metadata] = await this.sql`
      UPDATE app.entity SET ${this.sql({ ...changes, modified_ts: new Date() })}
      WHERE code = ${code} AND active_flag RETURNING ${this.columns}`
    if (metadata) await this.redis.del(`entity:metadata:${code}`)
    return metadata
  }

  async queryDatabase(code) {
    const [metadata] = await this.sql`SELECT ${this.columns} FROM app.entity WHERE code = ${code} AND active_flag`
    return metadata
  }
}
