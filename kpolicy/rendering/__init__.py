"""What controllers and people render before it reaches a cluster: Helm charts, Kustomize overlays.

The step stands between the sources and the documents: it takes what the sources found, runs the
real programs on copies of it, and gives back what they wrote in place of what they read.
"""
