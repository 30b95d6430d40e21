// One process of the user's own stack: PORT, SECRET_KEY, REDIS_* and PG* say where and with what.
import fastifyJwt from '@fastify/jwt'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import postgres from 'postgres'

import { EntityInfrastructure } from './entities.js'

const app = Fastify()
// As the platform's `lib/redis.ts` makes it.
const redis = new Redis({
  host: process.env.REDIS_HOST || 'localhost',
  port: parseInt(process.env.REDIS_PORT || '6379', 10),
  db: parseInt(process.env.REDIS_DB || '0', 10),
  retryStrategy: (times) => Math.min(times * 50, 2000),
  maxRetriesPerRequest: 3,
})
redis.on('error', (error) => console.error('Redis error:', error))
// As many connections as the other contenders have, and no trigger runs for them either.
const sql = postgres({ max: 8, connection: { session_replication_role: 'replica' } })
const entities = new EntityInfrastructure(redis, sql)

app.register(fastifyJwt, { secret: process.env.SECRET_KEY, verify: { algorithms: ['HS256'] } })
app.get('/healthz', async () => 'ok')

app.register(async (api) => {
  api.addHook('onRequest', async (request) => request.jwtVerify())

  api.get('/api/v1/entity/type/:code', async (request, reply) => {
    const found = await entities.getEntity(request.params.code)
    return found ?? reply.code(404).send({ error: 'Not found' })
  })

  api.patch('/api/v1/entity/:code', async (request, reply) => {
    const changed = await entities.updateEntity(request.params.code, request.body)
    return changed ?? reply.code(404).send({ error: 'Not found' })
  })
})

process.on('SIGTERM', async () => {
  await app.close()
  await sql.end({ timeout: 1 })
  redis.disconnect()
})

await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
