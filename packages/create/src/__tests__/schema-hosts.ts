/** Hosts with a Prisma schema and a `User` of their own. */

import type { Files } from './fixture.ts'

/** A schema with comments, attributes and an alignment of its own. */
export const HOST_SCHEMA = `// The shop's schema. Ask Kim before you change it.
generator client {
  provider = "prisma-client-js"
}

datasource db {
  provider = "postgresql"
  url      = env("DATABASE_URL") // not the pooler
}

enum Color {
  RED
  BLUE // { not a block }
}

/// Somebody with an account.
/// Never delete one by hand.
model User {
  // The id comes from the shop.
  id        String   @id @default(cuid())
  email     String   @unique @db.VarChar(200) // as they wrote it
  name      String   @default("")
  /// What they like best. "}"
  color     Color    @default(RED)
  posts     Post[]
  createdAt DateTime @default(now())
  updatedAt DateTime @default(now()) @updatedAt

  @@index([createdAt])
}

model Post {
  id       Int    @id @default(autoincrement())
  title    String
  authorId String
  author   User   @relation(fields: [authorId], references: [id])
}
`

/** The migration that made the host's tables. */
export const HOST_MIGRATION = `CREATE TYPE "Color" AS ENUM ('RED', 'BLUE');
CREATE TABLE "User" (
    "id" TEXT NOT NULL,
    "email" VARCHAR(200) NOT NULL,
    "name" TEXT NOT NULL DEFAULT '',
    "color" "Color" NOT NULL DEFAULT 'RED',
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);
CREATE TABLE "Post" (
    "id" SERIAL NOT NULL,
    "title" TEXT NOT NULL,
    "authorId" TEXT NOT NULL,
    CONSTRAINT "Post_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
CREATE INDEX "User_createdAt_idx" ON "User"("createdAt");
ALTER TABLE "Post" ADD CONSTRAINT "Post_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "User"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
`

const MIGRATION = 'migrations/20270101120000_init/migration.sql'

/** A package of Prisma 6 with its schema in one file. */
export const oneFile = (schema = HOST_SCHEMA): Files => ({
  'package.json': '{ "name": "shop", "workspaces": ["packages/*"] }\n',
  'package-lock.json': '{}\n',
  'prisma/schema.prisma': schema,
  [`prisma/${MIGRATION}`]: HOST_MIGRATION,
})

/** A package of Prisma 7 in a workspace, with its schema in a folder that its configuration names. */
export const aFolder = (): Files => {
  const at = HOST_SCHEMA.indexOf('model Post')
  return {
    'package.json': '{ "name": "shop" }\n',
    'pnpm-workspace.yaml': 'packages:\n  - packages/*\n  - apps/*\n',
    'apps/web/package.json': '{ "name": "web" }\n',
    'apps/web/prisma.config.ts': `import path from 'node:path'
import { defineConfig } from 'prisma/config'

export default defineConfig({
  // schema: 'elsewhere',
  schema: path.join('db', 'schema'),
  migrations: { path: 'db/migrations' },
})
`,
    'apps/web/db/schema/base.prisma': HOST_SCHEMA.slice(0, at).replace(/^.*env\(.*\n/m, ''),
    'apps/web/db/schema/blog/post.prisma': HOST_SCHEMA.slice(at),
    [`apps/web/db/${MIGRATION}`]: HOST_MIGRATION,
  }
}
