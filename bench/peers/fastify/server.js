// Four of Task API's endpoints on Fastify and better-sqlite3: a peer that bench/run compares Task API with.
// It runs one process per core, as Node usually does on a dedicated machine.
import cluster from 'node:cluster'
import { pbkdf2, randomUUID, timingSafeEqual } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { promisify } from 'node:util'
import cors from '@fastify/cors'
import jwt from '@fastify/jwt'
import Database from 'better-sqlite3'
import Fastify from 'fastify'

async function serve () {
  const { DATABASE, JWT_SECRET_KEY, PORT } = process.env
  const db = new Database(DATABASE, { timeout: 5000 })
  for (const pragma of ['journal_mode = WAL', 'synchronous = FULL', 'foreign_keys = 1']) db.pragma(pragma)
  const userColumns = 'id, username, email, password_hash, role, is_approved, created_at'
  const userByName = db.prepare(`SELECT ${userColumns} FROM "user" WHERE username = ?`)
  const userByEmail = db.prepare(`SELECT ${userColumns} FROM "user" WHERE email = ?`)
  const taskColumns = 'id, title, description, status, deadline, created_at, assigned_user_id'
  const listStatement = (filter) => db.prepare(`SELECT ${taskColumns} FROM task WHERE ${filter}
    created_at <= @at AND (created_at, id) < (@at, @id) ORDER BY created_at DESC, id DESC LIMIT @limit`)
  const allTasks = listStatement('')
  const ownTasks = listStatement('assigned_user_id = @user AND')
  const insertTask = db.prepare(`INSERT INTO task (title, description, status, deadline, created_at, assigned_user_id)
    VALUES (?, ?, 'pending', ?, ?, ?) RETURNING ${taskColumns}`)
  const hash = promisify(pbkdf2)

  const app = Fastify({ logger: { stream: process.stderr }, disableRequestLogging: true, genReqId: () => randomUUID(), bodyLimit: 1 << 20 })
  await app.register(cors, { origin: '*', exposedHeaders: ['X-Request-Id'] })
  await app.register(jwt, { secret: JWT_SECRET_KEY, sign: { expiresIn: '24h' } })
  app.addHook('onSend', async (request, reply) => { reply.header('x-request-id', request.id) })

  const authenticate = async (request, reply) => {
    const { sub } = await request.jwtVerify()
    request.account = userByName.get(sub)
    if (!request.account) return reply.code(401).send({ msg: 'no such user' })
  }
  const requireApproval = async (request, reply) => {
    if (!request.account.is_approved) return reply.code(403).send({ msg: 'not permitted' })
  }
  const isManagerOrAdmin = (account) => ['manager', 'admin'].includes(account.role)

  app.get('/hello', { onRequest: authenticate }, async (request) =>
    ({ msg: 'hello world! from fastify', user_name: request.account.username }))

  app.get('/tasks', { onRequest: [authenticate, requireApproval], schema: { querystring: querySchema, response: { 200: listSchema } } },
    async (request, reply) => {
      const { limit, cursor } = request.query
      const [at, id] = (cursor ?? '9999-12-31|0').split('|')
      const parameters = { at, id: Number(id), limit: limit + 1, user: request.account.id }
      const { user, ...parametersOfAll } = parameters
      const rows = isManagerOrAdmin(request.account) ? allTasks.all(parametersOfAll) : ownTasks.all(parameters)
      const items = rows.slice(0, limit)
      const last = items.at(-1)
      return { items: items.map(task), next_cursor: rows.length > limit ? `${last.created_at}|${last.id}` : null }
    })

  app.post('/tasks', { onRequest: [authenticate, requireApproval], schema: { body: taskSchema } }, async (request, reply) => {
    if (!isManagerOrAdmin(request.account)) return reply.code(403).send({ msg: 'not permitted' })
    const { title, description = null, deadline = null, assigned_user_id: assignee = null } = request.body
    const row = insertTask.get(title, description, deadline && storedTime(new Date(deadline)), storedTime(new Date()), assignee)
    return reply.code(201).header('location', `/tasks/${row.id}`).send(task(row))
  })

  app.post('/login', { schema: { body: loginSchema } }, async (request, reply) => {
    const { email, password } = request.body
    const user = userByEmail.get(email.trim().toLowerCase())
    const [method, salt, hex] = user?.password_hash.split('$') ?? []
    const key = user && await hash(password, salt, Number(method.split(':')[2]), 32, 'sha256')
    if (!user || !timingSafeEqual(key, Buffer.from(hex, 'hex'))) {
      return reply.code(401).send({ msg: 'email or password incorrect.' })
    }
    const { password_hash: _, ...account } = user
    return { msg: 'successfully logged in', token: app.jwt.sign({ sub: user.username }), user: account }
  })

  await app.listen({ host: '127.0.0.1', port: Number(PORT) })
}

const storedTime = (date) => date.toISOString().replace('T', ' ').replace('Z', '000')
const rfc3339 = (text) => text && text.replace(' ', 'T') + 'Z'
const task = (row) => ({ ...row, deadline: rfc3339(row.deadline), created_at: rfc3339(row.created_at) })

const nullable = (type) => ({ type: [type, 'null'] })
const querySchema = {
  type: 'object',
  additionalProperties: false,
  properties: { limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 }, cursor: { type: 'string' } }
}
const listSchema = {
  type: 'object',
  properties: {
    items: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          id: { type: 'integer' },
          title: { type: 'string' },
          description: nullable('string'),
          status: nullable('string'),
          deadline: nullable('string'),
          created_at: nullable('string'),
          assigned_user_id: nullable('integer')
        }
      }
    },
    next_cursor: nullable('string')
  }
}
const taskSchema = {
  type: 'object',
  required: ['title'],
  additionalProperties: false,
  properties: {
    title: { type: 'string', minLength: 1, maxLength: 255 },
    description: { type: 'string', maxLength: 10000 },
    deadline: { type: 'string', format: 'date-time' },
    assigned_user_id: { type: 'integer' }
  }
}
const loginSchema = {
  type: 'object',
  required: ['email', 'password'],
  additionalProperties: false,
  properties: { email: { type: 'string' }, password: { type: 'string', maxLength: 128 } }
}

if (cluster.isPrimary) {
  for (let core = 0; core < availableParallelism(); core++) cluster.fork()
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.kill()
    process.exit(0)
  })
} else {
  await serve()
}
