"""What GitOps controllers make of the repository: Argo CD and Flux resources that are followed."""
