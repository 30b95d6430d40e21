// One process of the user's own stack: PORT, SECRET_KEY, REDIS_* and PG* say where and with what.
import fastifyJwt from '@fastify/jwt'
import Fastify from 'fastify'

import { connectDatabase } from './database.js'
import { EntityInfrastructure } from './entities.js'
import { connectRedis } from './redis.js'

const app = Fastify()
const redis = connectRedis()
const sql = connectDatabase()
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
