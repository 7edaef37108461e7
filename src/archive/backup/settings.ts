import type { RepositoryFormat } from '../../repository/index.ts'

export type ChunkingFields = RepositoryFormat['chunking']
