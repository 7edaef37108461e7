/** What a server remembers of what is stored: the pools are the truth, the catalog is made from them. */
import type { Command } from 'commander'
import { jobDescriptionShape } from '../../wire/index.ts'
import { addServerCommand, FRESH_NOTE, type On, type ServerCommandOptions } from '../api/server-command.ts'
import type { CommandHost } from '../command.ts'
import { jobBegan } from './jobs.ts'

interface Options extends ServerCommandOptions {
  readonly wait?: boolean
}

interface Act {
  readonly name: string
  readonly summary: string
  readonly description: string
  readonly notes?: string
  readonly begin: (on: On) => Promise<{ readonly id: string }>
}

function beginning({ name, summary, description, notes, begin }: Act) {
  return (parent: Command, host: CommandHost): void => {
    const about = {
      name,
      summary,
      description,
      options: (command: Command) => command.option('--wait', 'wait until it has ended'),
      examples: [`terp catalog ${name} --wait`],
      exits: [3] as const,
      ...(notes !== undefined && { notes }),
    }
    addServerCommand(parent, host, about, async (on, { wait }: Options) => {
      const job = await begin(on)
      return await jobBegan(on, job.id, job, wait)
    })
  }
}

export const addCatalogCheck = beginning({
  name: 'check',
  summary: 'compare the catalog with the pools',
  description: 'Starts a job that compares what the server remembers with what its pool volumes hold. Changes nothing.',
  begin: ({ api }) => api.send('POST', '/catalog/check', jobDescriptionShape),
})

export const addCatalogRebuild = beginning({
  name: 'rebuild',
  summary: 'make the catalog again from the pools',
  description:
    'Starts a job that makes what the server says of recovery points again from its pool volumes. Pins, holds and all configuration stay.',
  notes: FRESH_NOTE,
  begin: ({ api }) => api.send('POST', '/catalog/rebuild', jobDescriptionShape),
})

export const addCatalogCopy = beginning({
  name: 'copy',
  summary: 'copy the configuration into the pools now',
  description:
    'Starts a job that copies the configuration of the server into all its pool volumes, as is done after each change anyway. `terp server restore` brings it back.',
  begin: ({ api }) => api.send('POST', '/catalog/copy', jobDescriptionShape),
})
