#!/usr/bin/env bash
# The guide's deploy command, in its own words; `tes deploy` does the work and refuses what cannot be done here (exit 3).
#   scripts/deploy.sh --platform aws --environment production [--version V] [--strategy S] [--plan] [--yes]
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
tes=${TES:-$root/.venv/bin/tes}

usage() {
    cat <<'END'
usage: scripts/deploy.sh --platform local|docker|k8s|aws|azure|gcp --environment NAME [options] [PROJECT]

  --platform P      where to deploy; the environment in tes.yaml must be of that platform
  --environment E   the environment's name in tes.yaml
  --version V       the release to deploy; what is in PROJECT when not given
  --strategy S      all_at_once, blue_green or canary; the environment's own when not given
  --plan            show what would be done, and do nothing
  --yes             do not ask
  PROJECT           the folder that holds tes.yaml; the current one when not given

exit codes: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 usage or configuration, 4 something broke
END
}

refuse() {
    echo "error: $1" >&2
    echo "  fix: $2" >&2
    exit 3
}

platform='' environment='' project=''
words=()
while [ $# -gt 0 ]; do
    case $1 in
    --platform=* | --environment=* | --version=* | --strategy=*)
        set -- "${1%%=*}" "${1#*=}" "${@:2}"
        continue
        ;;
    --platform | --environment | --version | --strategy)
        [ $# -ge 2 ] && [ -n "$2" ] && [ "${2#-}" = "$2" ] || refuse "$1 needs a value" "scripts/deploy.sh --help lists them"
        case $1 in
        --platform) platform=$2 ;;
        --environment) environment=$2 ;;
        *) words+=("$1" "$2") ;;
        esac
        shift 2
        ;;
    --plan | --yes)
        words+=("$1")
        shift
        ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) refuse "unknown option $1" "scripts/deploy.sh --help lists them" ;;
    *)
        [ -z "$project" ] || refuse "two projects: $project and $1" "name one folder"
        project=$1
        shift
        ;;
    esac
done

[ -n "$platform" ] || refuse "--platform is missing" "one of local, docker, k8s, aws, azure, gcp"
[ -n "$environment" ] || refuse "--environment is missing" "name an environment of tes.yaml, such as production"
case $platform in
local | docker | kubernetes | ecs | azure_container_instances | cloud_run) ;;
k8s) platform=kubernetes ;;
aws) platform=ecs ;;
azure) platform=azure_container_instances ;;
gcp) platform=cloud_run ;;
*) refuse "--platform $platform is not known" "one of local, docker, k8s, aws, azure, gcp" ;;
esac
[ -x "$tes" ] || refuse "$tes is not installed" "make install"

exec "$tes" deploy "${project:-.}" --platform "$platform" --environment "$environment" "${words[@]}"
