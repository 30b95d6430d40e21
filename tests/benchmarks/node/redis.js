// The one Redis client of this process, as the platform's `lib/redis.ts` makes it.
import { Redis } from 'ioredis'

export function connectRedis() {
  const client = new Redis({
    host: process.env.REDIS_HOST || 'localhost',
    port: parseInt(process.env.REDIS_PORT || '6379', 10),
    db: parseInt(process.env.REDIS_DB || '0', 10),
    retryStrategy: (times) => Math.min(times * 50, 2000),
    maxRetriesPerRequest: 3,
  })
  client.on('error', (error) => console.error('Redis error:', error))
  return client
}
