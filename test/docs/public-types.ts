import { join } from 'node:path';
import { SyntaxKind } from 'typescript/unstable/ast';
import {
  API,
  type Checker,
  type StringLiteralType,
  SymbolFlags,
  type Symbol as TypeSymbol,
  type UnionType,
} from 'typescript/unstable/sync';

const root = join(import.meta.dirname, '..', '..');
const entryPoints = ['src/index.ts', 'src/goods.ts', 'src/goods/client.ts'];

/**
 * Public types of the package, read with the TypeScript compiler. TypeScript 7 has no other API for this than the one it calls unstable; the
 * lock file pins the version.
 */
export class PublicTypes {
  readonly #api = new API({ cwd: root });
  readonly #checker: Checker;
  readonly #files: readonly { readonly path: string; readonly exports: readonly TypeSymbol[] }[];

  constructor() {
    const [project] = this.#api.updateSnapshot({ openProjects: [join(root, 'tsconfig.json')] }).getProjects();
    const { checker, program } = project!;
    this.#checker = checker;
    const isSource = (path: string) => path.startsWith(join(root, 'src/'));
    this.#files = program
      .getSourceFileNames()
      .filter(isSource)
      .map((path) => {
        const module = checker.getSymbolAtLocation(program.getSourceFile(path)!);
        return { path, exports: module === undefined ? [] : checker.getExportsOfModule(module) };
      });
  }

  /**
   * Returns the names of the public members of a type, sorted: what is declared in `src/`, without private, protected and `@internal`
   * members, symbols, and names that begin with an underscore. Types that `src/index.ts`, `src/goods.ts` or `src/goods/client.ts` export
   * come first; otherwise exactly one module of `src/` must export the name.
   */
  membersOf(name: string): string[] {
    const type = this.#checker.getDeclaredTypeOfSymbol(this.#find(name));
    const members = this.#checker.getPropertiesOfType(type).filter((member) => this.#isPublic(member));
    return members.map((member) => member.name).sort();
  }

  /** Returns the texts of a union of string literals, sorted. */
  membersOfUnion(name: string): string[] {
    const type = this.#checker.getDeclaredTypeOfSymbol(this.#find(name));
    return (type as UnionType)
      .getTypes()
      .map((member) => String((member as StringLiteralType).value))
      .sort();
  }

  #find(name: string): TypeSymbol {
    const exportsOf = (path: string) => this.#files.find((file) => file.path === join(root, path))?.exports ?? [];
    const published = entryPoints.flatMap(exportsOf).find((symbol) => symbol.name === name);
    const all = this.#files.flatMap(({ exports }) => exports.filter((symbol) => symbol.name === name));
    const declared = all.filter(({ flags }) => (flags & SymbolFlags.Alias) === 0);
    const found = published ?? (declared.length === 1 ? declared[0] : undefined);
    if (found === undefined) throw new Error(`${declared.length} modules of src/ export ${name}`);
    return (found.flags & SymbolFlags.Alias) === 0 ? found : this.#checker.getAliasedSymbol(found);
  }

  #isPublic(member: TypeSymbol): boolean {
    if (!/^[a-z]/i.test(member.name)) return false;
    if (member.getJsDocTags(this.#checker).some((tag) => tag.name === 'internal')) return false;
    return member.declarations.some((declaration) => {
      if (!declaration.path.includes('/src/')) return false;
      const { modifiers = [] } = declaration.resolve() as unknown as { modifiers?: readonly { kind: SyntaxKind }[] };
      return ![...modifiers].some(
        ({ kind }) => kind === SyntaxKind.PrivateKeyword || kind === SyntaxKind.ProtectedKeyword,
      );
    });
  }

  /** Ends the compiler's process. */
  close(): void {
    this.#api.close();
  }
}
