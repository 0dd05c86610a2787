import { createNext } from '@repo/auth/next'
import { auth } from './tollgate'

export const { formAction, getSession, getUser, handlers, post, request, requireAuth } =
  createNext(auth)
