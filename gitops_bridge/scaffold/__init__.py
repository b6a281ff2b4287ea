"""base/ and argocd/ as data, and everything `gitops-bridge init` writes: answers become files,
files and a repository become a plan. `cli.init` asks, shows and delivers."""
